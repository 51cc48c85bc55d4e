"""How long does a search take, and does it stay so when the archive grows a hundredfold?

25 results as a worklist asks for them. Ours holds 10 thousand, 100 thousand and (long round) a
million studies; Orthanc 10 thousand, beyond which loading alone takes hours. Every request asks
for another value, so that no cache of answers helps; figures are per request, one connection.
"""

import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.bench import Bench
from benchmarks.data import RARE, Study, studies
from benchmarks.load import requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Ours, Peer
from benchmarks.studies import make

JSON = "Accept: application/dicom+json"
DISTINCT = 200
PAGE = "limit=25"


def questions(some: Sequence[Study]) -> dict[str, list[str]]:
    """By kind of search, the query strings asked in turn."""
    months = sorted({study.date[:6] for study in some})
    return {
        "PatientID": [f"PatientID={s.patient_id}&{PAGE}" for s in some],
        "AccessionNumber": [f"AccessionNumber={s.accession}&{PAGE}" for s in some],
        "PatientName=ZHANG*": [f"PatientName=ZHANG*&{PAGE}"],
        "PatientName=*WEI*": [f"PatientName=*WEI*&{PAGE}"],
        f"PatientName=*{RARE}*": [f"PatientName=*{RARE}*&{PAGE}"],
        "PatientName, no match": ["PatientName=*ZZQ*&" + PAGE],
        "month and modality": [
            f"StudyDate={month}01-{month}31&ModalitiesInStudy=CT&{PAGE}" for month in months
        ],
        "newest": [PAGE],
        "newest, offset 1,000": [f"{PAGE}&offset=1000"],
        "ModalitiesInStudy=PT": [f"ModalitiesInStudy=PT&{PAGE}"],
    }


def run(bench: Bench) -> Iterator[Summary]:
    sizes = (10_000, 100_000, 1_000_000) if bench.full else (10_000, 100_000)
    peers: list[Ours] = []
    for number, size in enumerate(sizes):
        print(f"· search: an archive of {size:,} studies", flush=True)
        peer = Ours(bench.cache / f"studies-{size}", port=18100 + number)
        peer.name = f"ours, {size:,}"
        peer.directory.mkdir(parents=True, exist_ok=True)
        make(peer.directory / "archive", size)
        peers.append(peer)
    orthanc = bench.orthanc_tiny
    every = list(studies(sizes[0]))
    some = random.Random(3).sample(every, DISTINCT)

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

    with bench.running(*peers, orthanc):
        for kind, queries in questions(some).items():
            targets = [asking(peer, queries) for peer in (*peers, orthanc)]
            yield from bench.compare("search", kind, "searches", targets)
        yield from bench.compare(
            "search",
            "newest, offset 100,000",
            "searches",
            [asking(peer, [f"{PAGE}&offset=100000"]) for peer in peers[2:]]
            or [asking(peers[-1], [f"{PAGE}&offset=90000"])],
        )
