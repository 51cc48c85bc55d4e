"""The objects made of an issued version, as other people's programs read them: dicom3tools'
`dciodvfy`, dcmtk's `dsrdump`, poppler's `pdftotext` and `pdffonts`."""

import io
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts

from dicomweb_server.reading import kos, sr_codes
from dicomweb_server.reading.content import (
    Content,
    ImageReference,
    IssuedVersion,
    MeasurementReference,
)
from dicomweb_server.reading.document_headers import Study
from dicomweb_server.reading.encapsulated import encapsulated_pdf, pdf_in
from dicomweb_server.reading.errors import Unwritable
from dicomweb_server.reading.kos import rejection_note
from dicomweb_server.reading.outbox import verification_code
from dicomweb_server.reading.pdf import pdf
from dicomweb_server.reading.sr import ENHANCED_SR, Reference, structured_report
from tests.reading.examples import EXAM, PATIENT, STUDY_UID, content, issued

CT = "1.2.840.10008.5.1.4.1.1.2"
MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.2.1"
SLICE = ImageReference(STUDY_UID, "1.2.3.1", "1.2.3.1.7", CT, 1, "右上叶结节㛃䶮𠮷")
FRAME = ImageReference(STUDY_UID, "1.2.3.1", "1.2.3.1.8", MULTI_FRAME, 3)
PRIOR = ImageReference("1.2.9", "1.2.9.1", "1.2.9.1.8", CT)
HOSTILE = (
    '#read("/etc/passwd") #image("x") *bold* $x^2$ `code` <label> @ref \\ /* // --- [x] = heading'
)

FULL = issued(
    content=content(
        findings="患者㛃䶮𠮷。右肺上叶见结节。\n" + HOSTILE,
        key_images=(SLICE, FRAME, PRIOR),
        measurements=(
            MeasurementReference("1.9", "结节", "length", 8.25, "mm", SLICE),
            MeasurementReference("1.8", "", "mean", -12.5, "[hnsf'U]"),
            MeasurementReference("1.7", "", "area", 52.1, "mm2", FRAME),
            MeasurementReference("1.6", "肝硬度", "elasticity", 12.5, "kPa"),
        ),
        fields={"size": 8, "lobe": ["右上叶", "右中叶"], "spiculated": False, "empty": ""},
    )
)
ENGLISH = issued(
    content=Content(
        language="en",
        sections={
            "technique": "CT of the chest without contrast.",
            "findings": "Right upper lobe nodule of 8 mm.",
            "impression": "Right upper lobe nodule.",
        },
        positive=True,
    ),
    exam=replace(EXAM, institution="County General Hospital", description="CT chest"),
)
VERSIONS = {
    "original": issued(),
    "full": FULL,
    "english": ENGLISH,
    "preliminary": issued(kind="preliminary", signatures=issued().signatures[:1]),
    "correction": issued(
        version=2, kind="correction", base_version=1, reason="印象中左右写错，经核对图像更正。"
    ),
    "addendum": issued(
        version=2,
        kind="addendum",
        base_version=1,
        reason="补充既往检查对比",
        content=content(addendum="与2025-01-01胸部CT比较，结节无变化。"),
    ),
    "sparse": issued(
        patient=replace(PATIENT, name="", birth_date="", sex="", age="", visit="", issuer=""),
        exam=replace(
            EXAM, accession="", modality="OT", body_part="", description="", performed="",
            institution="", requesting_service="", requesting_physician="", reason="",
        ),
        content=Content(sections={"impression": "x"}),
    ),
    "long-labels": issued(
        exam=replace(EXAM, description="很长的检查名称\\" * 20, institution="医院" * 50),
        reason="原因" * 60, version=2, kind="correction", base_version=1,
    ),
}  # fmt: skip
EARLIER = Reference(STUDY_UID, "2.25.2", ENHANCED_SR, "2.25.9")


def report(version: IssuedVersion) -> bytes:
    return structured_report(
        version,
        instance_uid="2.25.1",
        series_uid="2.25.2",
        study_uid=STUDY_UID,
        study=Study("20260101", "093000", "S1"),
        predecessor=EARLIER if version.version > 1 else None,
        identical=[Reference("1.2.77", "2.25.22", ENHANCED_SR, "2.25.29")],
        labels={"size": "大小"},
    )


def printed(version: IssuedVersion, pictures: dict[ImageReference, bytes] | None = None) -> bytes:
    return pdf(version, pictures=pictures or {}, labels={"size": "大小"})


def read(file: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(file))


def tool(name: str, *arguments: object) -> str:
    """Standard output and error of a program that tests/install-tools installs."""
    if shutil.which(name) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing, and nothing is skipped in CI: tests/install-tools")
        pytest.skip(f"{name} is missing: tests/install-tools")
    done = subprocess.run([name, *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done
    return (done.stdout + done.stderr).decode()


def text_of(file: bytes, tmp_path: Path) -> str:
    (tmp_path / "report.pdf").write_bytes(file)
    return tool("pdftotext", "-layout", tmp_path / "report.pdf", "-")


def assert_conforms(file: bytes, tmp_path: Path) -> None:
    """dciodvfy finds no error. It exits with 0 whatever it finds."""
    path = tmp_path / "object.dcm"
    path.write_bytes(file)
    if shutil.which("dciodvfy") is None and not os.environ.get("CI"):
        pytest.skip("dciodvfy is missing: tests/install-tools")
    found = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    said = (found.stdout + found.stderr).splitlines()
    assert not [line for line in said if line.startswith("Error")], said
    assert not [line for line in said if "not present in standard" in line], said


@pytest.mark.parametrize("kind", VERSIONS)
def test_every_structured_report_conforms_and_is_read_by_dsrdump(kind: str, tmp_path: Path) -> None:
    file = report(VERSIONS[kind])
    assert_conforms(file, tmp_path)
    said = tool("dsrdump", "+Pl", tmp_path / "object.dcm")
    assert "E: " not in said and "Enhanced SR Document" in said


@pytest.mark.parametrize("kind", VERSIONS)
def test_every_encapsulated_pdf_conforms(kind: str, tmp_path: Path) -> None:
    made = printed(VERSIONS[kind])
    file = encapsulated_pdf(
        VERSIONS[kind],
        made,
        instance_uid="2.25.1",
        series_uid="2.25.2",
        study_uid=STUDY_UID,
        study=Study(),
    )
    assert_conforms(file, tmp_path)
    assert pdf_in(file) == made


@pytest.mark.parametrize("length", [1001, 1002])
def test_a_pdf_of_odd_length_is_padded_and_comes_back_without(length: int, tmp_path: Path) -> None:
    made = b"%PDF".ljust(length, b"x")
    place = {"instance_uid": "2.25.1", "series_uid": "2.25.2", "study_uid": STUDY_UID}
    file = encapsulated_pdf(issued(), made, **place, study=Study())
    dataset = read(file)
    assert len(dataset.EncapsulatedDocument) == 1002
    assert dataset.EncapsulatedDocumentLength == length
    assert pdf_in(file) == made
    assert dataset.DocumentTitle == "胸部CT平扫检查报告"
    assert dataset.ConceptNameCodeSequence[0].CodeValue == "24627-2"


@pytest.mark.parametrize("reason", ["113037", "113038"])
def test_a_rejection_note_conforms(reason: str, tmp_path: Path) -> None:
    file = rejection_note(
        issued(),
        reason=reason,
        at=datetime(2026, 1, 2, tzinfo=UTC),
        rejected=[EARLIER],
        instance_uid="2.25.1",
        series_uid="2.25.3",
        study_uid=STUDY_UID,
        study=Study(),
    )
    assert_conforms(file, tmp_path)
    assert "E: " not in tool("dsrdump", tmp_path / "object.dcm")


def test_a_report_is_tid_2000_with_both_signers_and_the_request() -> None:
    dataset = read(report(VERSIONS["correction"]))
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    assert dataset.ConceptNameCodeSequence[0].CodeValue == "24627-2"
    signers = [each.VerifyingObserverName for each in dataset.VerifyingObserverSequence]
    assert [str(name) for name in signers] == ["=王初诊", "=赵审核"]
    assert str(dataset.AuthorObserverSequence[0].PersonName) == "=王初诊"
    assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert dataset.CompletionFlagDescription == "correction, version 2"
    assert dataset.ReferencedRequestSequence[0].AccessionNumber == EXAM.accession
    before = dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert before.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.9"
    sections = [each for each in dataset.ContentSequence if each.ValueType == "CONTAINER"]
    assert [each.ConceptNameCodeSequence[0].CodeValue for each in sections] == [
        "55115-0", "11329-0", "55111-9", "59776-5", "19005-8", "18783-1", "55107-7",
    ]  # fmt: skip
    assert sections[-1].ContentSequence[0].TextValue == VERSIONS["correction"].reason
    language = dataset.ContentSequence[1].ConceptCodeSequence[0]
    assert (language.CodeValue, language.CodingSchemeDesignator) == ("zh-CN", "RFC5646")


def test_texts_are_whole_in_the_report_rare_characters_too() -> None:
    dataset = read(report(FULL))
    findings = next(
        each
        for each in dataset.ContentSequence
        if each.ConceptNameCodeSequence[0].CodeValue == "59776-5"
    )
    text = findings.ContentSequence[0].TextValue
    assert text.replace("\r\n", "\n") == FULL.content.sections["findings"]


def test_measurements_are_numbers_with_their_units_and_the_image_they_were_taken_in() -> None:
    dataset = read(report(FULL))
    numbers = [each for each in dataset.iterall() if each.keyword == "MeasuredValueSequence"]
    said = [
        (float(each[0].NumericValue), each[0].MeasurementUnitsCodeSequence[0].CodeValue)
        for each in (number.value for number in numbers)
    ]
    assert said == [(8.25, "mm"), (-12.5, "[hnsf'U]"), (52.1, "mm2"), (12.5, "kPa")]
    evidence = dataset.CurrentRequestedProcedureEvidenceSequence
    assert [each.StudyInstanceUID for each in evidence] == [STUDY_UID]
    assert len(evidence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence) == 2
    assert dataset.PertinentOtherEvidenceSequence[0].StudyInstanceUID == PRIOR.study_uid


def test_a_text_that_cannot_be_written_is_an_error_and_no_question_mark() -> None:
    broken = issued(content=content(impression="结节\ud800"))
    with pytest.raises(Unwritable, match="UTF-8"):
        report(broken)


def test_the_same_version_makes_the_same_bytes() -> None:
    assert report(FULL) == report(FULL)
    assert printed(FULL) == printed(FULL)


@pytest.mark.parametrize("kind", VERSIONS)
def test_every_pdf_says_it_is_pdf_a_2b_and_embeds_what_it_is_set_in(
    kind: str, tmp_path: Path
) -> None:
    made = printed(VERSIONS[kind])
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>", made)
    assert re.search(rb"<pdfaid:conformance>B</pdfaid:conformance>", made)
    assert b"/OutputIntents" in made and b"/JavaScript" not in made and b"/Encrypt" not in made
    (tmp_path / "report.pdf").write_bytes(made)
    fonts = tool("pdffonts", tmp_path / "report.pdf").splitlines()
    rows = [line.split() for line in fonts if "NotoSansCJK" in line]
    assert rows and all(row[-5:-2] == ["yes", "yes", "yes"] for row in rows), fonts


def test_the_pdf_shows_all_that_a_report_must(tmp_path: Path) -> None:
    """REP-14, REP-15: modules and fields."""
    said = text_of(printed(issued()), tmp_path)
    bare = said.replace(" ", "")
    for expected in (
        "某某县人民医院", "CT检查报告单", "张伟", "男", "45岁", "P0001", "ZY20260101",
        "CT20260101001", "胸部CT平扫", "胸部", "呼吸内科", "李医生", "咳嗽两周", "临床病史",
        "检查技术", "影像所见", "诊断印象", "建议", "右肺上叶见一实性结节，大小约8mm×6mm",
        "王初诊", "住院医师", "11042000001", "赵审核", "副主任医师", "11042000003",
        "第1页共1页", verification_code(issued()),
    ):  # fmt: skip
        assert expected in bare, (expected, said)
    assert "版" not in bare and "临时报告" not in bare


def test_a_correction_prints_its_number_reason_and_time(tmp_path: Path) -> None:
    """REP-25."""
    bare = text_of(printed(VERSIONS["correction"]), tmp_path).replace(" ", "")
    assert "第2版更正报告" in bare and "印象中左右写错，经核对图像更正。" in bare
    assert "取代第1版" in bare
    addendum = text_of(printed(VERSIONS["addendum"]), tmp_path).replace(" ", "")
    assert "第2版补充报告" in addendum and "结节无变化" in addendum


def test_a_preliminary_report_says_so_across_the_page(tmp_path: Path) -> None:
    bare = text_of(printed(VERSIONS["preliminary"]), tmp_path).replace(" ", "")
    assert "未经审核" in bare and "赵审核" not in bare
    assert bare.count("临时报告") >= 2 or set("临时报告") <= set(bare.replace("临时报告", "", 1))


def test_the_english_layout_is_english(tmp_path: Path) -> None:
    said = text_of(printed(ENGLISH), tmp_path)
    for expected in (
        "CT Report",
        "Findings",
        "Impression",
        "Reviewed by",
        "Page 1 of 1",
        "45 years",
    ):
        assert expected in said
    assert "所见" not in said


def test_measurements_in_the_pdf_have_all_their_digits_and_units_as_people_write_them(
    tmp_path: Path,
) -> None:
    measured = (
        MeasurementReference("1.9", "腹水", "area", 12345.6, "mm2"),
        MeasurementReference("1.8", "本底", "mean", 10000, "Bq/ml"),
        MeasurementReference("1.7", "结节", "max", 2.345, "{SUVbw}g/ml"),
        MeasurementReference("1.6", "胶片", "length", 8.25, "{pixels}"),
    )
    said = text_of(printed(issued(content=content(measurements=measured))), tmp_path)
    for each in ("12345.6 mm²", "10000.0 Bq/ml", "2.345 SUV", "8.25 px"):
        assert each in said


def test_rare_characters_are_text_in_the_pdf(tmp_path: Path) -> None:
    assert text_of(printed(FULL), tmp_path).count("㛃䶮𠮷") == 2


def test_what_a_report_says_is_never_markup(tmp_path: Path) -> None:
    bare = re.sub(r"\s", "", text_of(printed(FULL), tmp_path))
    assert re.sub(r"\s", "", HOSTILE) in bare
    assert "root:" not in bare
    names = issued(
        patient=replace(PATIENT, name='#read("/etc/passwd")', ideographic=""),
        exam=replace(EXAM, institution='#panic("x")'),
    )
    assert '#panic("x")' in text_of(printed(names), tmp_path)


def test_a_long_report_breaks_into_pages_that_say_whose_they_are(tmp_path: Path) -> None:
    paragraph = "双肺散在多发斑片状磨玻璃密度影，边界不清，以双肺下叶为著。" * 3
    said = text_of(printed(issued(content=content(findings=f"{paragraph}\n" * 60))), tmp_path)
    pages = said.split("\f")[:-1]
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        bare = page.replace(" ", "")
        assert f"第{number}页共{len(pages)}页" in bare
        assert "P0001" in bare
    assert "赵审核" in pages[-1]
    assert said.count("以双肺下叶为著") == 180


def test_a_key_image_that_cannot_be_drawn_leaves_its_place_and_note(tmp_path: Path) -> None:
    bare = text_of(printed(FULL), tmp_path).replace(" ", "")
    assert "图像无法显示" in bare and "图2" in bare


def test_codes_are_those_of_ps3_16() -> None:
    """Of the context groups that pydicom has."""
    tables: Any = concepts
    known = {
        (scheme, value, meaning)
        for scheme, names in tables.items()
        for values in names.values()
        for value, (meaning, _) in values.items()
    }
    for code in (
        *(code for _, _, code in sr_codes._TITLES),
        *(code for pair in sr_codes.SECTIONS.values() for code in pair),
        *map(sr_codes.modality, sr_codes._DEVICES),
        *map(sr_codes.measurement, ("length", "distance", "diameter", "area", "volume", "mean")),
        *kos.TITLES.values(),
        sr_codes.LANGUAGE, sr_codes.DEVICE_TYPE, sr_codes.OBSERVER_NAME, sr_codes.COMMENT,
        sr_codes.REQUEST, sr_codes.KEY_IMAGES, sr_codes.BEST_ILLUSTRATION,
    ):  # fmt: skip
        assert code is not None
        assert (code.scheme, code.value, code.meaning) in known, code
