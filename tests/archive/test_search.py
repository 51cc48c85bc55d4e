"""Searching: the rows of the index with the attributes that were asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.search import Answer, search
from dicomweb_server.archive.store import Outcome
from dicomweb_server.dicom.matching import parse_query
from storage.model import QueryLevel
from tests.dicom.build import JPEG_BASELINE, SERIES_UID, STUDY_UID, part10

Keep = Callable[..., list[Outcome]]


@pytest.fixture
def find(archive: Archive, keep: Keep) -> Callable[..., Answer]:
    """Searches an archive of one study with a CT series of two instances and an SR."""
    facts: dict[str, Any] = {
        "PatientName": "Doe^Jane",
        "PatientID": "17",
        "StudyDate": "20240131",
        "PatientComments": "Head",
    }
    for n in (1, 2):
        keep(
            part10(
                instance_uid=f"{SERIES_UID}.{n}",
                InstanceNumber=n,
                SeriesNumber=1,
                rows=4,
                columns=4,
                BodyPartExamined="HEAD",
                **facts,
            )
        )
    keep(
        part10(
            series_uid="1.2.3",
            instance_uid="1.2.3.4",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.88.11",
            Modality="SR",
            SeriesNumber=2,
            **facts,
        )
    )

    def found(level: QueryLevel, *parameters: tuple[str, str], **scope: Any) -> Answer:
        return search(archive, parse_query(level, parameters, **scope))

    return found


def value(item: dict[str, Any], tag: str) -> Any:
    return item[tag].get("Value")


def test_ps3_18_10_6_3_a_study_says_what_its_series_are(find: Callable[..., Answer]) -> None:
    answer = find(QueryLevel.STUDY, ("PatientID", "17"))
    (item,) = answer.items
    assert value(item, "0020000D") == [STUDY_UID]
    assert value(item, "00100010") == [{"Alphabetic": "Doe^Jane"}]
    assert value(item, "00080061") == ["CT", "SR"]
    assert value(item, "00201206") == [2]
    assert value(item, "00201208") == [3]
    assert value(item, "00080056") == ["ONLINE"]
    assert list(item) == sorted(item)
    assert not answer.more


def test_what_is_not_asked_for_is_not_returned(find: Callable[..., Answer]) -> None:
    (plain,) = find(QueryLevel.STUDY).items
    assert "00104000" not in plain
    (more,) = find(QueryLevel.STUDY, ("includefield", "PatientComments")).items
    assert value(more, "00104000") == ["Head"]
    (every,) = find(QueryLevel.STUDY, ("includefield", "all")).items
    assert value(every, "00104000") == ["Head"]
    assert set(plain) <= set(more) <= set(every)


def test_a_series_of_a_named_study_says_nothing_of_the_study(find: Callable[..., Answer]) -> None:
    first, second = find(QueryLevel.SERIES, study_uid=STUDY_UID).items
    assert value(first, "00080060") == ["CT"]
    assert value(first, "00201209") == [2]
    assert value(second, "0020000E") == ["1.2.3"]
    assert "00100010" not in first


def test_a_series_of_any_study_says_which_study_it_is_of(find: Callable[..., Answer]) -> None:
    (item,) = find(QueryLevel.SERIES, ("Modality", "SR")).items
    assert value(item, "00100010") == [{"Alphabetic": "Doe^Jane"}]
    assert value(item, "0020000D") == [STUDY_UID]


def test_an_instance_says_what_its_frames_can_be_had_in(
    find: Callable[..., Answer], keep: Keep
) -> None:
    keep(
        part10(
            instance_uid=f"{SERIES_UID}.3",
            InstanceNumber=3,
            rows=8,
            columns=8,
            bits_allocated=8,
            fragments=[b"\xff\xd8\xff\xd9"],
            transfer_syntax_uid=JPEG_BASELINE,
        )
    )
    items = find(QueryLevel.INSTANCE, study_uid=STUDY_UID, series_uid=SERIES_UID).items
    assert [value(each, "00200013") for each in items] == [[1], [2], [3]]
    assert value(items[2], "00083002") == [JPEG_BASELINE]
    assert value(items[0], "00280010") == [4]


def test_pages_follow_one_another(find: Callable[..., Answer]) -> None:
    page = find(QueryLevel.INSTANCE, ("limit", "2"))
    assert (len(page.items), page.more) == (2, True)
    rest = find(QueryLevel.INSTANCE, ("limit", "2"), ("offset", "2"))
    assert (len(rest.items), rest.more) == (1, False)
