"""C-FIND of dcmtk's findscu on every level of both models: what matches, what is returned, and in
which character set it is asked and answered (PS3.4 §C.2.2.2, §C.4.1, §C.6)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE

from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from dicomweb_server.dimse.sop_classes import STUDY_FIND
from tests.dicom.build import CT_IMAGE_STORAGE, data_set, element, file_meta, part10
from tests.dimse.conftest import Bridge
from tests.dimse.programs import run
from tests.dimse.wire import Wire

STUDY = "2.25.9401"
PATIENT = "QUERY"


@pytest.fixture(scope="module")
def studies(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Bridge:
    """Two studies: one of a CT and an MR series with three and two instances, one of a CT."""
    directory = tmp_path_factory.mktemp("query")
    for study, series, modality, number in (
        *((1, 1, "CT", number) for number in (1, 2, 3)),
        *((1, 2, "MR", number) for number in (1, 2)),
        (2, 1, "CT", 1),
    ):
        uid = f"{STUDY}.{study}.{series}.{number}"
        (directory / f"{uid}.dcm").write_bytes(
            part10(
                study_uid=f"{STUDY}.{study}",
                series_uid=f"{STUDY}.{study}.{series}",
                instance_uid=uid,
                rows=8 * number,
                columns=8,
                PatientID=f"{PATIENT}-{study}",
                PatientName="LI^LEI=李^雷",
                StudyDate=f"2026020{study}",
                StudyTime="101500",
                AccessionNumber=f"QA{study}",
                Modality=modality,
                SeriesNumber=series,
                SeriesDescription=f"{modality} axial {series}",
                InstanceNumber=number,
            )
        )
    run("dcmsend", "127.0.0.1", bridge.port, *sorted(directory.iterdir()))
    return bridge


def answers(
    bridge: Bridge,
    root: str,
    level: str,
    *keys: str,
    cwd: Path,
    title: str = "ANYBODY",
    query: Path | None = None,
) -> list[pydicom.Dataset]:
    """The identifiers of the pending responses, as they came."""
    for old in cwd.glob("rsp*.dcm"):
        old.unlink()
    run(
        "findscu", root, "-X", "-aet", title, "-k", f"QueryRetrieveLevel={level}",
        *(part for key in keys for part in ("-k", key)), "127.0.0.1", bridge.port,
        *([query] if query else []), cwd=cwd,
    )  # fmt: skip
    return [pydicom.dcmread(file) for file in sorted(cwd.glob("rsp*.dcm"))]


OURS = f"PatientID={PATIENT}-*"
OF_STUDY = f"StudyInstanceUID={STUDY}.1"
OF_SERIES = f"SeriesInstanceUID={STUDY}.1.1"
PATIENT_ROOT, STUDY_ROOT = "-P", "-S"


@pytest.mark.parametrize(
    ("root", "level", "keys", "count"),
    [
        (PATIENT_ROOT, "PATIENT", [OURS], 2),
        (PATIENT_ROOT, "PATIENT", [f"PatientID={PATIENT}-1"], 1),
        (PATIENT_ROOT, "PATIENT", [OURS, "PatientName=li^*"], 2),
        (PATIENT_ROOT, "PATIENT", [OURS, "PatientName=wang*"], 0),
        (PATIENT_ROOT, "STUDY", [f"PatientID={PATIENT}-1", "StudyInstanceUID"], 1),
        (STUDY_ROOT, "STUDY", [OURS], 2),
        (STUDY_ROOT, "STUDY", [f"StudyInstanceUID={STUDY}.1\\{STUDY}.2\\1.2.3"], 2),
        (STUDY_ROOT, "STUDY", [OURS, "StudyDate=20260202-"], 1),
        # There is no 31 February; who asks so means the month.
        (STUDY_ROOT, "STUDY", [OURS, "StudyDate=20260201-20260231"], 2),
        (STUDY_ROOT, "STUDY", [OURS, "StudyTime=1000-1100"], 2),
        (STUDY_ROOT, "STUDY", [OURS, "StudyTime=1100-"], 0),
        (STUDY_ROOT, "STUDY", [OURS, "ModalitiesInStudy=MR"], 1),
        (STUDY_ROOT, "STUDY", ["AccessionNumber=QA?"], 2),
        (STUDY_ROOT, "SERIES", [OF_STUDY, "SeriesInstanceUID"], 2),
        (PATIENT_ROOT, "SERIES", [f"PatientID={PATIENT}-1", OF_STUDY, "Modality=CT"], 1),
        (STUDY_ROOT, "SERIES", [OF_STUDY, "SeriesDescription=*axial 2"], 1),
        (STUDY_ROOT, "SERIES", [OF_STUDY, "SeriesNumber=2"], 1),
        (STUDY_ROOT, "SERIES", [OF_STUDY, f"SeriesInstanceUID={STUDY}.1.1\\{STUDY}.1.2"], 2),
        # Relational: no key of the levels above (PS3.4 §C.4.1.2.2.1).
        (STUDY_ROOT, "SERIES", [OURS, "Modality=CT"], 2),
        (STUDY_ROOT, "IMAGE", [OF_STUDY, OF_SERIES, "SOPInstanceUID"], 3),
        (PATIENT_ROOT, "IMAGE", [f"PatientID={PATIENT}-1", OF_STUDY, OF_SERIES], 3),
        (STUDY_ROOT, "IMAGE", [OF_STUDY, OF_SERIES, "InstanceNumber=2"], 1),
        (STUDY_ROOT, "IMAGE", [OF_STUDY, "InstanceNumber=1"], 2),
        (
            STUDY_ROOT,
            "IMAGE",
            [OF_STUDY, f"SOPInstanceUID={STUDY}.1.1.1\\{STUDY}.1.1.3\\{STUDY}.2.1.1"],
            2,
        ),
        (STUDY_ROOT, "IMAGE", [OURS, "SOPInstanceUID"], 6),
    ],
)
def test_ps3_4_c_2_2_2_what_matches_on_every_level(
    studies: Bridge, tmp_path: Path, root: str, level: str, keys: Sequence[str], count: int
) -> None:
    assert len(answers(studies, root, level, *keys, cwd=tmp_path)) == count


@pytest.mark.parametrize(
    ("root", "level", "returned"),
    [
        (PATIENT_ROOT, "PATIENT", ["PatientName", "PatientID", "PatientBirthDate"]),
        (STUDY_ROOT, "STUDY", ["PatientID", "AccessionNumber", "StudyID", "PatientComments"]),
        (STUDY_ROOT, "SERIES", ["Modality", "SeriesInstanceUID", "BodyPartExamined"]),
        (STUDY_ROOT, "IMAGE", ["SOPInstanceUID", "InstanceNumber", "Rows", "BitsAllocated"]),
    ],
)
def test_the_keys_asked_for_are_returned_and_no_others(
    studies: Bridge, tmp_path: Path, root: str, level: str, returned: Sequence[str]
) -> None:
    rows = answers(studies, root, level, OURS, *returned, cwd=tmp_path)
    assert rows
    always = {"QueryRetrieveLevel", "RetrieveAETitle"}
    for row in rows:
        names = {element.keyword for element in row}
        assert names - {"SpecificCharacterSet"} == {*returned, "PatientID", *always}
        assert (row.QueryRetrieveLevel, row.RetrieveAETitle) == (level, "DICOMWEB")


def test_an_image_answers_with_what_only_the_instance_itself_knows(
    studies: Bridge, tmp_path: Path
) -> None:
    rows = answers(studies, STUDY_ROOT, "IMAGE", OF_STUDY, OF_SERIES, "Rows", "InstanceNumber",
                   cwd=tmp_path)  # fmt: skip
    assert {int(row.InstanceNumber): row.Rows for row in rows} == {1: 8, 2: 16, 3: 24}


@pytest.mark.parametrize("key", ["SeriesDescription=nothing", "0009,1001=foo"])
def test_a_key_that_cannot_be_matched_is_returned_with_ff01(studies: Bridge, key: str) -> None:
    said = run(
        "findscu", "-d", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", OF_STUDY,
        "-k", key, "127.0.0.1", studies.port,
    )  # fmt: skip
    assert "0xff01" in said.lower()


def found(bridge: Bridge, **keys: Any) -> tuple[int, list[pydicom.Dataset]]:
    """The status of the last response of a C-FIND in Explicit VR, and the identifiers before it."""
    wanted = pydicom.Dataset()
    for keyword, value in keys.items():
        setattr(wanted, keyword, value)
    entity = AE()
    entity.add_requested_context(STUDY_FIND, EXPLICIT_VR_LITTLE_ENDIAN)
    association = entity.associate("127.0.0.1", bridge.port)
    assert association.is_established
    *pending, (last, _) = association.send_c_find(wanted, STUDY_FIND)
    association.release()
    return last.Status, [row for _, row in pending if row is not None]


def step_of(identifier: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.ScheduledProcedureStepID = identifier
    return item


@pytest.mark.parametrize("count", [2, 100])
def test_a_sequence_key_may_have_items_as_long_as_one_says_what_to_match(
    studies: Bridge, count: int
) -> None:
    keys = {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": "", "PatientID": f"{PATIENT}-2"}
    empty = [step_of("")] * (count - 1)
    status, rows = found(studies, **keys, RequestAttributesSequence=[*empty, step_of("")])
    assert (status, len(rows)) == (0, 1)
    status, rows = found(studies, **keys, RequestAttributesSequence=[*empty, step_of("X")])
    assert (status, rows) == (0, [])
    # PS3.4 §C.2.2.2.6 has one item; what two of them ask for has no meaning.
    assert found(studies, **keys, RequestAttributesSequence=[step_of("X")] * count) == (0xA900, [])


def test_ps3_5_6_2_2_a_text_that_grew_beyond_16_bits_spoils_no_answer(bridge: Bridge) -> None:
    text = "é" * 40000
    stored(bridge, 81, SpecificCharacterSet="ISO_IR 100", StudyDescription=text.encode("latin-1"))
    status, (row,) = found(
        bridge, QueryRetrieveLevel="STUDY", PatientID=f"{PATIENT}+81", StudyDescription=""
    )
    assert status == 0
    # pydicom leaves the bytes of so long a UN as they are.
    assert row["StudyDescription"].value.decode() == text


def test_a_text_stored_where_a_sequence_belongs_spoils_no_search(bridge: Bridge) -> None:
    sequence = 0x00400275
    stored(bridge, 82, extra={sequence: element(sequence, "LO", b"X ")})
    stored(bridge, 83, RequestAttributesSequence=[{"ScheduledProcedureStepID": "S83"}])
    for asked, expected in (("S83", [f"{STUDY}.83.1"]), ("X", [])):
        status, rows = found(
            bridge,
            QueryRetrieveLevel="SERIES",
            SeriesInstanceUID="",
            RequestAttributesSequence=[step_of(asked)],
        )
        assert (status, [row.SeriesInstanceUID for row in rows]) == (0, expected)


def stored(bridge: Bridge, number: int, **more: Any) -> None:
    """An instance of a study and a patient of its own."""
    wire = Wire.to(bridge.port)
    wire.associate()
    uid = f"{STUDY}.{number}.1.1"
    raw = part10(
        study_uid=f"{STUDY}.{number}",
        series_uid=f"{STUDY}.{number}.1",
        instance_uid=uid,
        meta=False,
        preamble=False,
        PatientID=f"{PATIENT}+{number}",
        **more,
    )
    assert wire.store(uid, raw) == 0


def test_what_is_stored_in_latin_9_is_found_in_any_character_set(bridge: Bridge) -> None:
    stored(bridge, 84, SpecificCharacterSet="ISO_IR 203", StudyDescription="Œdème".encode("latin9"))
    status, (row,) = found(
        bridge,
        QueryRetrieveLevel="STUDY",
        SpecificCharacterSet="ISO_IR 192",
        StudyDescription="Œd*",
    )
    assert (status, row.StudyDescription) == (0, "Œdème")


@pytest.mark.parametrize("level", ["PATIENT", "FRAME", ""])
def test_a_level_that_the_model_does_not_have_is_a900(studies: Bridge, level: str) -> None:
    said = run(
        "findscu", "-d", "-S", "-k", f"QueryRetrieveLevel={level}", "-k", "PatientID",
        "127.0.0.1", studies.port,
    )  # fmt: skip
    assert "0xa900" in said.lower()


# ---------------------------------------------------------------------------- character sets

CHARSETS = {
    "ISO_IR 192": "ANYBODY",
    "GB18030": "GB_VIEWER",
    "GBK": "GBK_VIEWER",
    "\\ISO 2022 IR 58": "ISO_VIEWER",
}
"""Specific Character Set, and a peer that is answered in it."""


def encoded(text: str, charset: str) -> bytes:
    """By hand: with code extensions each stretch of Chinese begins with its escape sequence (PS3.5
    §6.1.2.5.3, §K)."""
    codec = {"ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"}.get(charset)
    if codec is not None:
        return text.encode(codec)
    return re.sub(rb"[\x80-\xff]+", lambda found: b"\x1b$)A" + found[0], text.encode("gb2312"))


def in_charset(charset: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Values of those keywords, and of Specific Character Set."""
    raw = {"SpecificCharacterSet": charset.encode()}
    raw |= {keyword: encoded(text, charset) for keyword, text in texts.items()}
    return {keyword: value + b" " * (len(value) % 2) for keyword, value in raw.items()}


@pytest.fixture(scope="module")
def chinese(bridge: Bridge, tmp_path_factory: pytest.TempPathFactory) -> Bridge:
    """张伟, sent by dcmsend in each of the character sets."""
    directory = tmp_path_factory.mktemp("chinese")
    for number, charset in enumerate(CHARSETS):
        (directory / f"{number}.dcm").write_bytes(
            part10(
                study_uid=f"{STUDY}.9{number}",
                series_uid=f"{STUDY}.9{number}.1",
                instance_uid=f"{STUDY}.9{number}.1.1",
                PatientID=f"CHINESE-{number}",
                **in_charset(
                    charset, {"PatientName": "ZHANG^WEI=张^伟", "StudyDescription": "胸部平扫"}
                ),
            )
        )
    run("dcmsend", "127.0.0.1", bridge.port, *sorted(directory.iterdir()))
    return bridge


@pytest.mark.parametrize("asked", CHARSETS)
@pytest.mark.parametrize("says", ["its character set", "an empty one", "none"])
def test_chinese_is_asked_for_found_and_answered_in_any_character_set(
    chinese: Bridge, tmp_path: Path, asked: str, says: str
) -> None:
    """However it was stored. A query that does not say its character set is in its peer's."""
    keys = in_charset(asked, {"PatientName": "张^*", "StudyDescription": "*平扫"})
    if says == "an empty one":
        keys["SpecificCharacterSet"] = b""
    elif says == "none":
        del keys["SpecificCharacterSet"]
    query = tmp_path / "query.dcm"
    head = file_meta(
        sop_class_uid=CT_IMAGE_STORAGE,
        instance_uid="1.2.3",
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
    )
    body = data_set({"QueryRetrieveLevel": "STUDY", "PatientID": "CHINESE-*", **keys})
    query.write_bytes(bytes(128) + b"DICM" + head + body)
    rows = answers(chinese, STUDY_ROOT, "STUDY", cwd=tmp_path, title=CHARSETS[asked], query=query)
    assert len(rows) == len(CHARSETS)
    for row in rows:
        said = row.SpecificCharacterSet
        assert said == (asked.split("\\") if "\\" in asked else asked)
        # The bytes: pydicom 3 leaves the escape sequences of IR 58 in what it decodes.
        assert row.get_item("PatientName").value.rstrip() == encoded("ZHANG^WEI=张^伟", asked)
        assert row.get_item("StudyDescription").value.rstrip() == encoded("胸部平扫", asked)


def test_counts_are_those_of_the_whole_study(studies: Bridge, tmp_path: Path) -> None:
    (row,) = answers(
        studies, STUDY_ROOT, "STUDY", OF_STUDY, "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances", "ModalitiesInStudy", cwd=tmp_path,
    )  # fmt: skip
    assert (row.NumberOfStudyRelatedSeries, row.NumberOfStudyRelatedInstances) == (2, 5)
    assert re.sub(r"[\[\]' ]", "", str(row.ModalitiesInStudy)) == "CT,MR"
