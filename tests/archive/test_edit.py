"""Editing without loss (PS3.3 §C.12.1.1.9, PS3.4 §B.4.1.3)."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from dicomweb_server.archive import edit
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.edit import Why
from dicomweb_server.archive.export import export
from dicomweb_server.archive.retrieve import InstanceFile, frame
from dicomweb_server.archive.search import search
from dicomweb_server.archive.store import Outcome
from dicomweb_server.archive.upkeep import settle, verify
from dicomweb_server.dicom.errors import BadEdit
from dicomweb_server.dicom.matching import parse_query
from storage.errors import Conflict, NotFound
from storage.model import ChangeKind, QueryLevel, SeriesKey, Stored
from tests.dicom import build
from tests.dicom.build import SERIES_UID, STUDY_UID, part10

Keep = Callable[..., list[Outcome]]
WHY = Why(by="dr.wang", comment="the neighbour's order was open")


def file_of(
    number: int, *, study: str = STUDY_UID, series: str = SERIES_UID, **facts: Any
) -> bytes:
    said: dict[str, Any] = {
        "PatientName": "Doe^Jon",
        "PatientID": "17",
        "StudyDate": "20240131",
        "PatientSex": "M",
        "InstanceNumber": number,
        "rows": 64,
        "columns": 64,
        "pixel_data": bytes([number]) * 64 * 64 * 2,
    }
    uid = f"{series}.{number}"
    return part10(study_uid=study, series_uid=series, instance_uid=uid, **{**said, **facts})


def present(archive: Archive, number: int = 1, series: str = SERIES_UID) -> Dataset:
    instance = archive.storage.index.instance(f"{series}.{number}")
    assert instance is not None
    file = InstanceFile(archive, instance)
    return dcmread(BytesIO(file.read_at(0, file.length)))


def found(archive: Archive, *asked: tuple[str, str]) -> list[str]:
    items = search(archive, parse_query(QueryLevel.STUDY, asked)).items
    return [item["0020000D"]["Value"][0] for item in items]


@pytest.fixture(autouse=True)
def whole(archive: Archive) -> Any:
    """After each test everything in the archive is consistent, edited versions too."""
    yield
    faults: list[str] = []
    verify(archive, full=True, sweep=False, report=faults.append)
    archive.storage.index.check(faults.append)
    assert faults == []


def test_ps3_3_c_12_1_1_9_a_correction_says_what_there_was(archive: Archive, keep: Keep) -> None:
    files = [file_of(number) for number in (1, 2, 3)]
    keep(*files)
    before = archive.storage.index.counts()
    done = edit.correct(
        archive, STUDY_UID, {"PatientName": "Doe^John", "PatientSex": None, "StudyID": "9"}, WHY
    )
    assert done is not None and done.instances == 3
    dataset = present(archive, 2)
    assert dataset.PatientName == "Doe^John" and dataset.PatientSex in ("", None)
    assert dataset.StudyID == "9"
    (original,) = dataset.OriginalAttributesSequence
    assert original.ReasonForTheAttributeModification == "CORRECT"
    assert original.ModifyingSystem == "dicomweb-server"
    assert original.SourceOfPreviousValues in ("", None)
    assert len(original.AttributeModificationDateTime) == 26
    (was,) = original.ModifiedAttributesSequence
    assert (was.PatientName, was.PatientSex, was.StudyID) == ("Doe^Jon", "M", "")
    # A header for each: no frame was written again.
    after = archive.storage.index.counts()
    assert (after.instances, after.blobs) == (before.instances, before.blobs + 3)
    assert dataset.PixelData == bytes([2]) * 64 * 64 * 2
    assert found(archive, ("PatientName", "doe^john")) == [STUDY_UID]
    assert found(archive, ("PatientName", "doe^jon")) == []
    changes = archive.storage.index.changes(after=3, limit=9)
    assert [change.kind for change in changes] == [ChangeKind.EDITED] * 3


def test_a_chinese_name_is_put_right_with_letters_as_orders_have_them(
    archive: Archive, keep: Keep
) -> None:
    keep(file_of(1))
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东"}, WHY)
    assert present(archive).PatientName == "WANG^XIAODONG=王^小东"
    assert found(archive, ("PatientName", "wang^xiaodong")) == [STUDY_UID]
    assert found(archive, ("PatientName", "王^小东")) == [STUDY_UID]
    with pytest.raises(BadEdit, match="PatientName"):
        edit.correct(archive, STUDY_UID, {"PatientName": "庄" * 20}, WHY)


def test_what_was_received_stays_bit_for_bit(archive: Archive, keep: Keep, tmp_path: Path) -> None:
    files = {f"{SERIES_UID}.{n}": file_of(n) for n in (1, 2)}
    keep(*files.values())
    edit.correct(archive, STUDY_UID, {"PatientName": "A^B"}, WHY)
    edit.correct(archive, STUDY_UID, {"PatientName": "C^D"}, WHY)
    settle(archive)
    for uid, file in files.items():
        versions = edit.versions(archive, uid)
        assert [bool(one.edit) for one in versions] == [False, True, True]
        received = InstanceFile(archive, versions[0])
        assert received.read_at(0, received.length) == file
    done = export(archive, tmp_path / "edited")
    assert (done.files, done.faults) == (2, [])
    names = {str(dcmread(path).PatientName) for path in (tmp_path / "edited").rglob("*.dcm")}
    assert names == {"C^D"}
    export(archive, tmp_path / "received", received=True)
    written = {path.read_bytes() for path in (tmp_path / "received").rglob("*.dcm")}
    assert written == set(files.values())
    # And who sends it again is told that it is stored.
    assert {one.stored for one in keep(*files.values())} == {Stored.DUPLICATE}
    assert present(archive).PatientName == "C^D"


def test_a_frame_is_what_it_was(archive: Archive, keep: Keep) -> None:
    keep(file_of(1))
    uid = f"{SERIES_UID}.1"
    before = archive.storage.index.instance(uid)
    edit.correct(archive, STUDY_UID, {"PatientName": "A^B"}, WHY)
    after = archive.storage.index.instance(uid)
    assert before and after
    assert before.blobs == after.blobs and before.skeleton != after.skeleton
    assert frame(archive, before, 0).digests == frame(archive, after, 0).digests


@pytest.mark.parametrize(
    "facts",
    [
        {"transfer_syntax_uid": build.IMPLICIT_VR_LITTLE_ENDIAN},
        {"transfer_syntax_uid": build.EXPLICIT_VR_BIG_ENDIAN},
        {"transfer_syntax_uid": build.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN},
        {
            "transfer_syntax_uid": build.JPEG_BASELINE,
            "fragments": [b"\xff\xd8\xff\xd9" + b"x" * 100_000, b"\xff\xd8\xff\xd9"],
            "pixel_data": None,
            "frames": 2,
        },
        {"PatientComments": "x" * 9000, "OtherPatientIDs": ["1", "2"]},
    ],
    ids=["implicit", "big endian", "deflated", "encapsulated", "long"],
)
def test_every_encoding_can_be_edited_and_undone(
    archive: Archive, keep: Keep, facts: dict[str, Any]
) -> None:
    file = file_of(1, **facts)
    keep(file)
    was = present(archive)
    done = edit.correct(
        archive, STUDY_UID, {"PatientName": "Zhang^Wei=张^伟", "PatientAge": "040Y"}, WHY
    )
    assert done is not None
    dataset = present(archive)
    assert dataset.PatientName == "Zhang^Wei=张^伟"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.PatientAge == "040Y"
    for element in was:
        if element.keyword not in ("PatientName", "PatientAge", "SpecificCharacterSet"):
            assert dataset[element.tag].value == element.value, element
    edit.undo(archive, done.id, WHY)
    instance = archive.storage.index.instance(f"{SERIES_UID}.1")
    assert instance is not None and not instance.edit
    assert b"".join(InstanceFile(archive, instance).chunks()) == file
    assert found(archive, ("PatientName", "Doe^Jon")) == [STUDY_UID]


def test_texts_keep_their_character_set_as_long_as_it_will_do(archive: Archive, keep: Keep) -> None:
    latin: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller".encode("latin-1"),
    }
    keep(file_of(1, StudyDescription="Schädel".encode("latin-1"), **latin))
    edit.correct(archive, STUDY_UID, {"PatientName": "Möller"}, WHY)
    dataset = present(archive)
    assert dataset.SpecificCharacterSet == "ISO_IR 100"
    assert (dataset.PatientName, dataset.StudyDescription) == ("Möller", "Schädel")
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东"}, WHY)
    dataset = present(archive)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert (dataset.PatientName, dataset.StudyDescription) == ("WANG^XIAODONG=王^小东", "Schädel")
    first, second = dataset.OriginalAttributesSequence
    assert first.ModifiedAttributesSequence[0].PatientName == "Müller"
    assert second.ModifiedAttributesSequence[0].PatientName == "Möller"


def test_sequences_of_any_length_are_kept_and_change_their_character_set(
    archive: Archive, keep: Keep
) -> None:
    count = 100
    moments = [f"2024{number:04}" for number in range(count)]
    keep(
        file_of(
            1,
            SpecificCharacterSet="ISO_IR 100",
            OtherPatientIDsSequence=[{"PatientID": "Köln".encode("latin-1")}] * count,
            OriginalAttributesSequence=[{"AttributeModificationDateTime": m} for m in moments],
        )
    )
    same = {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["Köln"]}}] * count}
    assert edit.correct(archive, STUDY_UID, {"OtherPatientIDsSequence": same}, WHY) is None
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东"}, WHY)
    dataset = present(archive)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert [each.PatientID for each in dataset.OtherPatientIDsSequence] == ["Köln"] * count
    *kept, ours = dataset.OriginalAttributesSequence
    assert [each.AttributeModificationDateTime for each in kept] == moments
    assert ours.ModifiedAttributesSequence[0].PatientName == "Doe^Jon"
    edit.correct(archive, STUDY_UID, {"OtherPatientIDsSequence": None}, WHY)
    ours = present(archive).OriginalAttributesSequence[-1]
    assert len(ours.ModifiedAttributesSequence[0].OtherPatientIDsSequence) == count


@pytest.mark.parametrize("syntax", [build.EXPLICIT_VR_LITTLE_ENDIAN, build.EXPLICIT_VR_BIG_ENDIAN])
def test_ps3_5_6_2_2_a_text_that_outgrows_a_length_of_16_bits_is_un(
    archive: Archive, keep: Keep, syntax: str
) -> None:
    """In UTF-8 a text of ISO 8859-1 may be twice as long; each of its values is no longer."""
    values = ["é" * 60] * 1000
    keep(
        file_of(
            1,
            transfer_syntax_uid=syntax,
            SpecificCharacterSet="ISO_IR 100",
            ImageComments="é".encode("latin-1") * 50_000,
            AdmittingDiagnosesDescription="\\".join(values).encode("latin-1"),
        )
    )
    names = ["W=" + "王" * 60] * 500
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东", "OtherPatientNames": names}, WHY)
    dataset = present(archive)
    assert dataset.PatientName == "WANG^XIAODONG=王^小东"
    for keyword, text in (
        ("AdmittingDiagnosesDescription", "\\".join(values)),
        ("ImageComments", "é" * 50_000),
        ("OtherPatientNames", "\\".join(names)),
    ):
        element = dataset[keyword]
        assert (element.VR, element.value.rstrip()) == ("UN", text.encode())
    ours = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert ours.PatientName == "Doe^Jon"


def test_a_text_too_long_for_json_goes_over_to_utf_8_with_the_others(
    archive: Archive, keep: Keep
) -> None:
    """Texts of more than 64 KiB, within items and under a character set of the item too."""
    long = "é" * 70_000
    keep(
        file_of(
            1,
            SpecificCharacterSet="ISO_IR 100",
            TextValue=long.encode("latin-1"),
            ContentSequence=[
                {"TextValue": long.encode("latin-1")},
                {
                    "SpecificCharacterSet": "GB18030",
                    "TextValue": ("王" * 40_000).encode("gb18030"),
                    "StudyComments": "东".encode("gb18030"),
                },
            ],
        )
    )
    edit.correct(archive, STUDY_UID, {"PatientName": "王^小东"}, WHY)
    dataset = present(archive)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.PatientName == "WANG^XIAODONG=王^小东"
    assert dataset.TextValue == long
    one, other = dataset.ContentSequence
    assert one.TextValue == long
    assert (other.TextValue, other.StudyComments) == ("王" * 40_000, "东")
    assert len(dataset.PixelData) == 64 * 64 * 2


def test_a_patient_is_merged_into_another(archive: Archive, keep: Keep) -> None:
    keep(file_of(1), file_of(1, study="1.5", series="1.5.1"))
    right = {"PatientID": "P2", "PatientName": "Right^One", "PatientSex": None}
    keep(file_of(1, study="1.6", series="1.6.1", PatientBirthDate="19800501", **right))
    done = edit.merge_patients(archive, "17", "P2", WHY)
    assert sorted(one.study_uid for one in done) == sorted([STUDY_UID, "1.5"])
    assert found(archive, ("PatientID", "17")) == []
    assert len(found(archive, ("PatientID", "P2"))) == 3
    dataset = present(archive)
    assert (dataset.PatientName, dataset.PatientBirthDate) == ("Right^One", "19800501")
    assert dataset.PatientSex in ("", None), "what the right patient does not say is taken away"
    # Asked for again nothing is left; a merge that was killed half way goes on so.
    with pytest.raises(NotFound):
        edit.merge_patients(archive, "17", "P2", WHY)
    for one in done:
        edit.undo(archive, one.id, WHY)
    assert len(found(archive, ("PatientID", "17"))) == 2


@pytest.mark.parametrize("into", [None, "1.9"])
def test_a_series_is_split_off_and_comes_back(
    archive: Archive, keep: Keep, into: str | None
) -> None:
    keep(file_of(1), file_of(1, series="1.3"), file_of(2, series="1.3"))
    if into:
        keep(file_of(1, study=into, series="1.9.1", PatientID="P9", PatientName="Nine^N"))
    key = SeriesKey(STUDY_UID, "1.3")
    done = edit.split_series(archive, key, into=into, attributes={"StudyID": "S"}, why=WHY)
    assert done is not None and done.instances == 2
    target = done.into
    assert found(archive, ("StudyInstanceUID", target)) == [target]
    dataset = present(archive, 2, "1.3")
    assert dataset.StudyInstanceUID == target and dataset.StudyID == "S"
    assert dataset.SOPInstanceUID == "1.3.2"
    assert dataset.PatientID == ("P9" if into else "17")
    was = dataset.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert was.StudyInstanceUID == STUDY_UID
    assert [each.series_uid for each in archive.storage.index.series_of(STUDY_UID)] == [SERIES_UID]
    # A sender who sends it again does not bring the mistake back.
    (again,) = keep(file_of(1, series="1.3"))
    assert again.stored is Stored.DUPLICATE
    edit.undo(archive, done.id, WHY)
    assert len(archive.storage.index.series_of(STUDY_UID)) == 2
    assert found(archive, ("StudyInstanceUID", target)) == ([into] if into else [])
    assert present(archive, 2, "1.3").StudyInstanceUID == STUDY_UID


def test_what_is_so_already_is_no_edit(archive: Archive, keep: Keep) -> None:
    keep(file_of(1))
    assert edit.correct(archive, STUDY_UID, {"PatientName": "Doe^Jon"}, WHY) is None
    assert edit.edits(archive) == []
    # Only what arrived since with the old values is edited when it is asked for again.
    edit.correct(archive, STUDY_UID, {"PatientID": "18"}, WHY)
    keep(file_of(2))
    again = edit.correct(archive, STUDY_UID, {"PatientID": "18"}, WHY)
    assert again is not None and again.instances == 1


def test_an_edit_that_was_followed_by_another_is_not_undone(archive: Archive, keep: Keep) -> None:
    keep(file_of(1))
    first = edit.correct(archive, STUDY_UID, {"PatientID": "18"}, WHY)
    second = edit.correct(archive, STUDY_UID, {"PatientID": "19"}, WHY)
    assert first and second
    with pytest.raises(Conflict, match="another followed it"):
        edit.undo(archive, first.id, WHY)
    edit.undo(archive, second.id, WHY)
    undone = edit.undo(archive, first.id, WHY)
    assert present(archive).PatientID == "17"
    with pytest.raises(Conflict, match="is undone already"):
        edit.undo(archive, first.id, WHY)
    with pytest.raises(BadEdit, match="is an undo"):
        edit.undo(archive, undone.id, WHY)
    assert [one.kind for one in edit.edits(archive)] == ["correct", "correct", "undo", "undo"]
    assert edit.find(archive, first.id) == first
    assert edit.edits(archive, after=second.id)[0].undoes == second.id


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({}, "names nothing to change"),
        ({"Modality": "CT"}, "Modality is no attribute of patient or study"),
        ({"StudyInstanceUID": "1.2"}, "is no attribute of patient or study"),
        ({"Nonsense": "CT"}, "Nonsense is neither a keyword"),
        ({"PatientBirthDate": "1980"}, "PatientBirthDate cannot be '1980'"),
        ({"ProcedureCodeSequence": "x"}, "is a sequence"),
        ({"PatientComments": "x" * 10_241}, "maximum length of 10240 allowed for VR LT"),
        (
            {"PatientComments": {"vr": "LT", "Value": ["x" * 70_000]}},
            "maximum length of 10240 allowed for VR LT",
        ),
        ({"PatientComments": {"vr": "UT", "Value": ["x"]}}, "PatientComments is LT, not UT"),
        (
            {"PatientName": {"vr": "PN", "Value": [{"Ideographic": "x" * 65}]}},
            "maximum allowed length of 64",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    archive: Archive, keep: Keep, attributes: dict[str, Any], sentence: str
) -> None:
    keep(file_of(1))
    with pytest.raises(BadEdit) as refused:
        edit.correct(archive, STUDY_UID, attributes, WHY)
    assert sentence in str(refused.value)
    with pytest.raises(NotFound):
        edit.correct(archive, "9.9", {"PatientID": "1"}, WHY)
    with pytest.raises(BadEdit, match="must be CORRECT or COERCE"):
        edit.correct(archive, STUDY_UID, {"PatientID": "1"}, Why(reason="WHIM"))
