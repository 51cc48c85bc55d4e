"""Texts whose data set names no character set, as modalities write them that know one alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from dicomweb_server.archive import edit, retrieve
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.store import Received, store
from dicomweb_server.config import Config, ConfigError
from dicomweb_server.dicom.source import BytesSource
from storage.model import Like, Query, QueryLevel, Scope
from tests.dicom.build import SERIES_UID, STUDY_UID, element, item, part10

NAME = "ZHANG^WEI=张^伟"
WHY = edit.Why("a reason")


def gbk(text: str) -> bytes:
    raw = text.encode("gbk")
    return raw + b" " * (len(raw) % 2)


def instance(number: int, **more: Any) -> bytes:
    """`extra` has a sequence with an item that names none either, and a text that is bulk data."""
    return part10(
        instance_uid=f"1.5.{number}",
        InstanceNumber=number,
        PatientName=gbk(NAME),
        StudyDescription=gbk("胸部平扫"),
        # Varies from slice to slice, so that it is read by what was seen of the others.
        ImageComments=gbk(f"第{number}层"),
        rows=64,
        columns=64,
        without=() if "SpecificCharacterSet" in more else ("SpecificCharacterSet",),
        extra={
            0x0040A160: element(0x0040A160, "UT", gbk("王" * 40_000)),
            0x0040A730: element(0x0040A730, "SQ", item(element(0x0040A160, "UT", gbk("右肺上叶")))),
        },
        **more,
    )


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = open_archive(Config(data=str(tmp_path / "a"), assumed_charset="GB18030"))
    yield opened
    opened.close()


def keep(archive: Archive, *files: bytes) -> None:
    store(archive, [Received(BytesSource(each), "a test") for each in files])


def document(archive: Archive, number: int) -> dict[str, Any]:
    found = retrieve.instance_metadata(archive, Scope(STUDY_UID, SERIES_UID, f"1.5.{number}"))
    said: dict[str, Any] = orjson.loads(found[0])
    return said


@pytest.mark.parametrize("named", [{}, {"SpecificCharacterSet": ""}])
def test_they_are_read_in_the_one_that_is_assumed(archive: Archive, named: dict[str, str]) -> None:
    files = [instance(number, **named) for number in range(1, 6)]
    for file in files:
        keep(archive, file)
    for number in range(1, 6):
        said = document(archive, number)
        name = said["00100010"]["Value"][0]
        assert name == {"Alphabetic": "ZHANG^WEI", "Ideographic": "张^伟"}
        assert said["00204000"]["Value"] == [f"第{number}层"]
        assert said["0040A730"]["Value"][0]["0040A160"]["Value"] == ["右肺上叶"]
    found = archive.storage.index.find(
        Query(QueryLevel.STUDY, (Like(QueryLevel.STUDY, "00100010", "*张*"),))
    )
    assert [row.study.study_uid for row in found.rows] == [STUDY_UID]
    one = retrieve.instance(archive, Scope(STUDY_UID, SERIES_UID, "1.5.1"))
    text = b"".join(retrieve.bulk_value(archive, one, "0040A160").chunks()).decode()
    assert text.rstrip() == "王" * 40_000
    # What was received is what is given back.
    assert b"".join(retrieve.InstanceFile(archive, one).chunks()) == files[0]


def test_one_that_is_named_is_what_it_says(archive: Archive) -> None:
    keep(
        archive,
        part10(
            instance_uid="1.5.1",
            SpecificCharacterSet="ISO_IR 100",
            PatientName="Müller^Jörg".encode("latin-1") + b" ",
        ),
    )
    assert document(archive, 1)["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]


def test_an_edit_names_the_one_it_writes_and_keeps_the_texts(archive: Archive) -> None:
    keep(archive, instance(1))
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东"}, WHY)
    one = retrieve.instance(archive, Scope(STUDY_UID, SERIES_UID, "1.5.1"))
    file = b"".join(retrieve.InstanceFile(archive, one).chunks())
    dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(file))
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.PatientName == "WANG^XIAODONG=王^小东"
    assert dataset.StudyDescription == "胸部平扫"
    assert dataset.TextValue.rstrip() == "王" * 40_000
    assert dataset.ContentSequence[0].TextValue == "右肺上叶"


def test_without_the_setting_they_are_what_the_standard_says(tmp_path: Path) -> None:
    """PS3.5 §6.1.2.1: the default repertoire; every byte of others is still seen."""
    archive = open_archive(Config(data=str(tmp_path / "a")))
    keep(archive, instance(1))
    said = document(archive, 1)["00100010"]["Value"][0]
    assert said == {
        "Alphabetic": "ZHANG^WEI",
        "Ideographic": gbk("张^伟").decode("latin-1").rstrip(),
    }
    archive.close()


@pytest.mark.parametrize("term", ["GB-18030", "utf-8", "", "KLINGON"])
def test_one_that_there_is_not_is_told_at_the_start(tmp_path: Path, term: str) -> None:
    with pytest.raises(ConfigError, match=r"assumed_charset .*no defined term of \(0008,0005\)"):
        open_archive(Config(data=str(tmp_path / "a"), assumed_charset=term))
