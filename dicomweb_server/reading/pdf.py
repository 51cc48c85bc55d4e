"""An issued version as a PDF/A-2b, as a hospital prints it: one layout, in Chinese or English.

report.typ is the layout, typst sets it. What the report says reaches typst as data (a JSON file and
pictures in a directory that is all it can read), never as markup. The Chinese font is a dependency
and embedded, so the paper looks the same everywhere and rare characters (㛃 䶮 𠮷) are there.
"""

import importlib.util
import io
import tempfile
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import segno
import typst

from dicomweb_server.reading.ages import age_text
from dicomweb_server.reading.content import (
    SECTIONS,
    ImageReference,
    IssuedVersion,
    MeasurementReference,
    Signature,
)
from dicomweb_server.reading.errors import Unwritable
from dicomweb_server.reading.outbox import verification_code
from dicomweb_server.reading.pdf_words import Words, words_of
from dicomweb_server.reading.sr import field_text

FONT = "Noto Sans CJK TC"
_FONT_PACKAGE = "cvttf_NotoSansCJK_Regular"
_LAYOUT = files("dicomweb_server.reading").joinpath("report.typ")


def pdf(
    issued: IssuedVersion,
    *,
    pictures: Mapping[ImageReference, bytes],
    labels: Mapping[str, str],
    verify_url: str = "",
) -> bytes:
    """The document; the same for the same arguments and the same typst. Raises Unwritable.

    pictures    JPEG of each key image that can be shown
    labels      of the structured fields, by their names
    verify_url  what the code is appended to for who scans it; "" for the code alone
    """
    words = words_of(issued.content.language)
    shown = _shown(issued, words, labels)
    with tempfile.TemporaryDirectory(prefix="report-") as directory:
        root = Path(directory)
        for number, image in enumerate(issued.content.key_images, 1):
            name = f"image-{number}.jpg" if image in pictures else ""
            if name:
                (root / name).write_bytes(pictures[image])
            note = image.note.strip() or f"{words.image} {number}"
            shown["pictures"].append({"file": name, "note": note})
        try:
            (root / "report.json").write_bytes(orjson.dumps(shown))
        except (TypeError, UnicodeError) as error:
            raise Unwritable(f"a text of the report cannot be written in UTF-8: {error}") from error
        (root / "code.svg").write_bytes(_code(verify_url + shown["code"]))
        (root / "report.typ").write_bytes(_LAYOUT.read_bytes())
        return _compiled(root, issued.issued_at)


def _compiled(root: Path, at: datetime) -> bytes:
    with _ONE_AT_A_TIME:
        try:
            made = _compiler().compile(
                input=str(root / "report.typ"),
                root=str(root),
                format="pdf",
                pdf_standards=["a-2b"],
                timestamp=int(at.timestamp()),
            )
        except (RuntimeError, typst.TypstError) as error:
            raise Unwritable(f"the PDF cannot be set: {error}") from error
    assert isinstance(made, bytes), "one file was asked for"
    return made


_ONE_AT_A_TIME = threading.Lock()


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    """Kept, because reading the font is most of the time of a first document."""
    found = importlib.util.find_spec(_FONT_PACKAGE)
    assert found is not None and found.origin is not None, f"{_FONT_PACKAGE} is a dependency"
    return typst.Compiler(
        font_paths=[str(Path(found.origin).parent)],
        ignore_system_fonts=True,
        # Packages are code from elsewhere: there are none.
        package_path="/nonexistent",
        package_cache_path="/nonexistent",
    )


def _code(text: str) -> bytes:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", border=1, scale=4)
    return drawn.getvalue()


# --- what the layout is given ---------------------------------------------------------------------


def _shown(issued: IssuedVersion, words: Words, labels: Mapping[str, str]) -> dict[str, Any]:
    content, exam, patient = issued.content, issued.exam, issued.patient
    at = issued.issued_at.astimezone()
    version = words.version.format(issued.version)
    name = " ".join(filter(None, (patient.ideographic.replace("^", ""), _latin(patient.name))))
    return {
        "font": FONT,
        "language": _language(content.language),
        "words": words.for_layout(version if issued.version > 1 else ""),
        "institution": exam.institution,
        "title": words.title.format(words.modality(exam.modality)),
        "author": [each.name for each in issued.signatures],
        "date": [at.year, at.month, at.day],
        "preliminary": issued.kind == "preliminary",
        "mark": _mark(issued, words, version),
        "running": " · ".join(filter(None, (name, patient.patient_id, exam.accession))),
        "header": _header(issued, words, name),
        "reason": _reason(issued, words),
        "sections": _sections(issued, words, labels),
        "pictures": [],
        "signers": [_signer(each, words) for each in issued.signatures if each.role in words.roles],
        "issued": _moment(issued.issued_at),
        "author-line": ""
        if any(each.name == issued.author for each in issued.signatures)
        else issued.author,
        "exceptions": [words.exception.format(each) for each in issued.exceptions],
        "code": verification_code(issued),
    }


def _header(issued: IssuedVersion, words: Words, name: str) -> list[tuple[str, str, int]]:
    """Label, value, and how many of the three columns it takes (REP-15, REP-14)."""
    patient, exam = issued.patient, issued.exam
    age = age_text(patient, exam, chinese=words.chinese)
    rows = [
        (words.name, name, 1),
        (words.sex, words.sexes.get(patient.sex, patient.sex), 1),
        (words.age, age, 1),
        (words.patient_id, patient.patient_id, 1),
        (words.visit, patient.visit, 1),
        (words.accession, exam.accession, 1),
        (words.exam, exam.description, 2),
        (words.performed, _performed(exam.performed), 1),
        (words.part, words.parts.get(exam.body_part.upper(), exam.body_part), 1),
        (words.service, exam.requesting_service, 1),
        (words.physician, _latin(exam.requesting_physician), 1),
    ]
    if exam.reason:
        rows.append((words.indication, exam.reason, 3))
    return [(label, value or "—", span) for label, value, span in rows]


def _sections(
    issued: IssuedVersion, words: Words, labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    content = issued.content
    found = []
    for code in SECTIONS:
        text = content.sections.get(code, "").strip()
        rows: list[tuple[str, str, str]] = []
        if code == "findings":
            rows += [
                (labels.get(name, name), "", field_text(value))
                for name, value in content.fields.items()
                if field_text(value)
            ]
            rows += [
                (
                    each.label or words.measurement,
                    words.kinds.get(each.kind, each.kind),
                    _measured(each),
                )
                for each in content.measurements
            ]
        if text or rows:
            found.append(
                {
                    "title": words.sections[code],
                    "text": text,
                    "rows": rows,
                    "marked": code in ("impression", "addendum"),
                }
            )
    return found


_UNITS = {
    "[hnsf'U]": "HU",
    "deg": "°",
    "mm2": "mm²",
    "cm2": "cm²",
    "mm3": "mm³",
    "cm3": "cm³",
    "{pixels}": "px",
    "{pixels}2": "px²",
    "{SUVbw}g/ml": "SUV",
    "{SUVlbm}g/ml": "SUVlbm",
    "{SUVibw}g/ml": "SUVibw",
    "{SUVbsa}cm2/ml": "SUVbsa",
}


def _measured(measurement: MeasurementReference) -> str:
    """Four digits, or all before the point, where more: 12345.6 mm² is not 1.235e+04."""
    value, unit = measurement.value, measurement.unit
    digits = f"{value:.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {_UNITS.get(unit, unit)}"


def _mark(issued: IssuedVersion, words: Words, version: str) -> str:
    kind = words.marks.get(issued.kind, "")
    if issued.kind == "preliminary":
        return kind
    return " ".join(filter(None, (version, kind))) if issued.version > 1 or kind else ""


def _reason(issued: IssuedVersion, words: Words) -> str:
    if not issued.reason:
        return ""
    said = words.replaces if issued.kind == "correction" else words.adds
    return said.format(
        reason=issued.reason, time=_moment(issued.issued_at), base=issued.base_version
    )


def _signer(signature: Signature, words: Words) -> tuple[str, str, str, str, str]:
    licence = words.licence.format(signature.licence) if signature.licence else ""
    return (
        words.roles[signature.role],
        signature.name,
        words.ranks.get(signature.rank, ""),
        licence,
        _moment(signature.signed_at),
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _performed(text: str) -> str:
    """A DICOM date and time as people write it."""
    digits = "".join(c for c in text if c.isdigit())
    date = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) >= 8 else text
    return f"{date} {digits[8:10]}:{digits[10:12]}" if len(digits) >= 12 else date


def _latin(name: str) -> str:
    return (
        " ".join(part for part in name.split("^") if part)
        if name.isascii()
        else (name.replace("^", ""))
    )


def _language(tag: str) -> tuple[str, str | None]:
    """typst's language and region; simplified characters unless another region is said."""
    language, _, region = tag.partition("-")
    if language == "zh":
        return "zh", (region or "cn").lower()[-2:]
    return (language or "en").lower(), region.lower()[:2] or None
