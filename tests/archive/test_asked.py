"""What the audit says that somebody searched for."""

import pytest

from dicomweb_server.archive.asked import asked_for
from dicomweb_server.dicom.attributes import STANDARD
from dicomweb_server.dicom.matching import parse_query
from storage.model import Like, OneOf, Query, QueryLevel


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"PatientID": "A1"}, "PatientID=A1"),
        ({"PatientName": "zhang*"}, "PatientName=zhang*"),
        ({"StudyDate": "20240101-20240131"}, "StudyDate=20240101-20240131"),
        ({"StudyDate": "20240101-"}, "StudyDate=20240101-"),
        ({"ModalitiesInStudy": "CT\\MR"}, "ModalitiesInStudy=CT,MR"),
        ({"AccessionNumber": '""'}, 'AccessionNumber=""'),
    ],
)
def test_a_query_is_told_as_it_was_written(asked: dict[str, str], said: str) -> None:
    parsed = parse_query(QueryLevel.STUDY, list(asked.items()), attributes=STANDARD)
    level, told = asked_for(parsed.query)
    assert level == "study"
    assert told.casefold() == said.casefold()


def test_a_private_attribute_and_a_sound_are_told_as_the_index_calls_them() -> None:
    level = QueryLevel.STUDY
    private = OneOf(level, "0009xx01 ACME", ("7",))
    sound = Like(level, "00100010~", "wei*")
    query = Query(level, conditions=(private, sound))
    assert asked_for(query)[1] == "0009xx01 ACME=7 PatientName~=wei*"
