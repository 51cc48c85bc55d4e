"""Reindexing: other attributes are found, and nothing that is stored changes."""

import threading
from collections.abc import Callable
from dataclasses import replace

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.reindex import reindex
from dicomweb_server.archive.search import search
from dicomweb_server.archive.store import Outcome
from dicomweb_server.dicom.matching import parse_query
from storage.model import QueryLevel, SeriesKey
from tests.dicom.build import SERIES_UID, STUDY_UID, element, part10

Keep = Callable[..., list[Outcome]]


def wider(archive: Archive) -> Archive:
    setting = "instance:KVP, study:BodyPartExamined, series:0009xx01 ACME"
    return Archive(archive.storage, replace(archive.config, searchable=setting))


def uids(archive: Archive, level: QueryLevel, *asked: tuple[str, str]) -> list[str]:
    parsed = parse_query(level, asked, attributes=archive.attributes)
    return [item["0020000D"]["Value"][0] for item in search(archive, parsed).items]


def files(count: int, study: str = STUDY_UID) -> list[bytes]:
    private = {
        0x00090010: element(0x00090010, "LO", b"ACME"),
        0x00091001: element(0x00091001, "LO", b"seven "),
    }
    return [
        part10(
            study_uid=study,
            series_uid=SERIES_UID if study == STUDY_UID else f"{study}.1",
            instance_uid=f"{study}.1.{n}",
            InstanceNumber=n,
            KVP=str(100 + n),
            BodyPartExamined="HEAD",
            extra=private,
        )
        for n in range(1, count + 1)
    ]


def test_attributes_are_searchable_once_the_archive_is_reindexed(
    archive: Archive, keep: Keep
) -> None:
    keep(*files(2))
    keep(*files(1, "1.5"))
    archive.storage.index.compact(SeriesKey(STUDY_UID, SERIES_UID))
    opened = wider(archive)
    before = archive.storage.index.manifest(SeriesKey(STUDY_UID, SERIES_UID))
    assert uids(opened, QueryLevel.INSTANCE, ("KVP", "102")) == []
    done = reindex(opened)
    assert (done.studies, done.instances) == (2, 3)
    assert uids(opened, QueryLevel.INSTANCE, ("KVP", "102")) == [STUDY_UID]
    heads = uids(opened, QueryLevel.STUDY, ("BodyPartExamined", "HEAD"))
    assert sorted(heads) == sorted([STUDY_UID, "1.5"])
    assert len(uids(opened, QueryLevel.SERIES, ("00091001", "seven"), ("00090010", "ACME"))) == 2
    assert archive.storage.index.manifest(SeriesKey(STUDY_UID, SERIES_UID)) == before
    assert len(archive.storage.index.changes(after=0, limit=9)) == 3
    found: list[str] = []
    archive.storage.index.check(found.append)
    assert found == []
    # And back: what is no longer searchable is refused, what the standard wants is still there.
    reindex(archive)
    assert uids(archive, QueryLevel.SERIES, ("BodyPartExamined", "HEAD"))


def test_a_study_that_was_shown_before_is_shown_with_what_it_was_reindexed_by(
    archive: Archive, keep: Keep
) -> None:
    keep(*files(1))
    opened = wider(archive)
    asked = parse_query(
        QueryLevel.STUDY, [("includefield", "BodyPartExamined")], attributes=opened.attributes
    )

    def body_part() -> object:
        (item,) = search(opened, asked).items
        return item.get("00180015")

    assert body_part() is None
    reindex(opened)
    assert body_part() == {"vr": "CS", "Value": ["HEAD"]}


def test_what_is_stored_while_the_archive_is_reindexed_is_not_lost(
    archive: Archive, keep: Keep
) -> None:
    keep(*files(3))
    opened = wider(archive)
    storing = threading.Thread(
        target=lambda: [keep(file) for file in files(20)[3:]], name="storing"
    )
    storing.start()
    while storing.is_alive():
        reindex(opened)
    storing.join()
    reindex(opened)
    assert len(uids(opened, QueryLevel.INSTANCE, ("KVP", "*"))) == 20
    assert uids(opened, QueryLevel.INSTANCE, ("KVP", "120")) == [STUDY_UID]
    found: list[str] = []
    archive.storage.index.check(found.append)
    assert found == []
