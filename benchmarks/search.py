"""How long does a search take, and does it stay so when the archive grows a hundredfold?

25 results as a worklist asks for them. Ours holds 10 thousand studies, imported as Orthanc's are,
and 100 thousand and a million made by `studies`; Orthanc 10 thousand, beyond which loading takes it
half an hour for each 100 thousand. The short round asks the largest of ours that has been made
before. Every request asks for another value where there are some, and ours, which remembers answers
as long as nothing is written, is told not to (`remembered_cache_mib`), so that it has to search;
"asked again" is what it takes when it need not, as for worklists that show themselves anew. Figures
are per request, one connection; p95 and p99 are wrk's, which adds to a long answer those it would
have asked for meanwhile.
"""

import calendar
import json
import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.bench import Bench
from benchmarks.data import GIVEN, RARE, Study, studies
from benchmarks.load import one_request_body, requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Ours, Peer

JSON = "Accept: application/dicom+json"
DISTINCT = 200

CHECKED = 20
"""Of the searches of a kind, so many are looked at before: both servers shall find as much."""

PAGE = "limit=25"
SMALL, MIDDLE, LARGE = 10_000, 100_000, 1_000_000


def questions(some: Sequence[Study]) -> dict[str, list[str]]:
    """By kind of search, the query strings asked in turn."""
    months = [_month(study.date) for study in some]
    given = GIVEN.split()
    asked = {
        "PatientID": [f"PatientID={s.patient_id}" for s in some],
        "AccessionNumber": [f"AccessionNumber={s.accession}" for s in some],
        "PatientName exact": [f"PatientName={s.name.replace(' ', '%20')}" for s in some],
        "PatientName=ZHANG*": ["PatientName=ZHANG*"],
        "PatientName=*WEI*": ["PatientName=*WEI*"],
        "PatientName, contains, some": [f"PatientName=*{s.name.rpartition(' ')[2]}*" for s in some],
        f"PatientName=*{RARE}*": [f"PatientName=*{RARE}*"],
        "PatientName, contains, two letters": [f"PatientName=*{name[-2:]}*" for name in given],
        "PatientName, no match": ["PatientName=*ZZQ*"],
        "month and CT": [f"StudyDate={month}&ModalitiesInStudy=CT" for month in months],
        "ZHANG*, month and CT": [
            f"PatientName=ZHANG*&StudyDate={month}&ModalitiesInStudy=CT" for month in months
        ],
        "ModalitiesInStudy=PT": ["ModalitiesInStudy=PT"],
        "newest": [""],
        "newest, offset 1,000": ["offset=1000"],
    }
    return {kind: [f"{query}&{PAGE}".lstrip("&") for query in asked[kind]] for kind in asked}


def _month(date: str) -> str:
    """The range of the month in which the date lies."""
    year, month = int(date[:4]), int(date[4:6])
    return f"{date[:6]}01-{date[:6]}{calendar.monthrange(year, month)[1]}"


def _rows(peer: Peer, queries: Sequence[str]) -> list[int]:
    """How many studies each of the searches finds."""
    bodies = (one_request_body(peer.port, f"{peer.root}/studies?{one}", [JSON]) for one in queries)
    return [len(json.loads(body)) if body else 0 for body in bodies]


def run(bench: Bench) -> Iterator[Summary]:
    made = [size for size in (MIDDLE, LARGE) if bench.full or bench.is_made(size)]
    sizes = made if bench.full else made[-1:] or [MIDDLE]
    large = [bench.synthetic(size, port=18100 + number) for number, size in enumerate(sizes)]
    again: list[Ours] = [bench.ours_10k, *large]
    all_ours = [peer.forgetful(port=18120 + number) for number, peer in enumerate(again)]
    peers: list[Peer] = [*all_ours, bench.orthanc_10k]
    some = random.Random(3).sample(list(studies(SMALL)), DISTINCT)

    def asking(peer: Peer, queries: Sequence[str]) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            return requests_in_turn(
                peer,
                [f"/studies?{query}" for query in queries],
                scratch=bench.scratch,
                connections=1,
                seconds=bench.seconds,
                headers=[JSON],
            )

        return peer.name, measure

    with bench.running(*peers):
        for kind, queries in questions(some).items():
            rows = [_rows(peer, queries[:CHECKED]) for peer in (all_ours[0], bench.orthanc_10k)]
            alike = rows[0] == rows[1]
            if not alike:
                here, there = map(sum, rows)
                bench.notes.append(
                    f"{kind}: {len(rows[0])} searches find {here} studies in ours and {there} in "
                    f"{bench.orthanc_10k.name}, which is not compared"
                )
            targets = [asking(each, queries) for each in peers if alike or each in all_ours]
            yield from bench.compare("search", kind, "searches", targets)
        for offset, deep in ((9_000, peers), (100_000, all_ours[-1:] if LARGE in sizes else [])):
            if deep:
                case = f"newest, offset {offset:,}"
                targets = [asking(peer, [f"offset={offset}&{PAGE}"]) for peer in deep]
                yield from bench.compare("search", case, "searches", targets)
    with bench.running(*again, bench.orthanc_10k):
        targets = [asking(peer, [PAGE]) for peer in (*again, bench.orthanc_10k)]
        yield from bench.compare("search", "newest, asked again", "searches", targets)
