"""What a report says, and the hash by which it is meant.

Content is data: sections of text, structured fields, references to key images and measurements. Its
canonical form is RFC 8785 JSON; SHA-256 of that is what signers see, sign and what every document
made of it carries. An issued version is frozen here as a value, which is all that the makers of
documents (sr.py, pdf.py) are given.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import rfc8785

SECTIONS = (
    "history",
    "technique",
    "comparison",
    "findings",
    "impression",
    "recommendation",
    "addendum",
)
"""Codes of the sections a report may have, in the order they are shown. "addendum" is the one that
an addendum (T20) writes, after what addenda before it said; everything else it carries unchanged.
"""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A key image: frame_number from 1, 0 for the whole instance. `note` is the author's."""

    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class_uid: str
    frame_number: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementReference:
    """A measurement taken in the viewer: what it measured, and where it can be seen again.

    kind   "length", "angle", "area", "mean", ...
    unit   UCUM: "mm", "mm2", "deg", "[hnsf'U]"
    """

    tracking_uid: str
    label: str
    kind: str
    value: float
    unit: str
    image: ImageReference | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """One text of a report.

    template     id and version of the template it was begun from, "" for none
    language     RFC 5646: "zh-CN", "en"
    sections     text by section code (SECTIONS); paragraphs end with a newline
    fields       structured findings by field name: text, number, true/false or a list of texts
    comparisons  Study Instance UIDs of the priors compared with
    positive     whether something abnormal was found; None while nobody has said
    difficult    whether a reviewer of rank >= 3 is needed (T10)
    overrides    blocking checks that were overridden: rule id -> reason
    """

    template: str = ""
    language: str = "zh-CN"
    sections: Mapping[str, str] = None  # type: ignore[assignment]
    fields: Mapping[str, Any] = None  # type: ignore[assignment]
    key_images: tuple[ImageReference, ...] = ()
    measurements: tuple[MeasurementReference, ...] = ()
    comparisons: tuple[str, ...] = ()
    positive: bool | None = None
    difficult: bool = False
    overrides: Mapping[str, str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("sections", "fields", "overrides"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, {})

    def canonical(self) -> bytes:
        """RFC 8785 JSON: the same content is the same bytes, everywhere."""
        return rfc8785.dumps(asdict(self))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


@dataclass(frozen=True, slots=True)
class Patient:
    """Who the report is about, as the archive and the order knew it at signing (REP-15).

    name        alphabetic group, as in DICOM; `ideographic` as it is written in Chinese
    birth_date  YYYYMMDD or ""
    visit       in- or out-patient number
    """

    patient_id: str
    issuer: str
    name: str
    ideographic: str
    birth_date: str
    sex: str
    age: str
    visit: str = ""


@dataclass(frozen=True, slots=True)
class Exam:
    """What was examined. Dates as DICOM writes them, in the time zone of the examination."""

    accession: str
    study_uids: tuple[str, ...]
    modality: str
    body_part: str
    description: str
    performed: str
    institution: str
    requesting_service: str = ""
    requesting_physician: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of a version: who, as what, over what, when.

    role       "initial", "review", "confirm" or "annotation"
    covered    SHA-256 of the signed canonical JSON (which holds the content's digest)
    algorithm  e.g. "ecdsa-p256-sha256"; `value` base64; `certificate` PEM or ""
    """

    role: str
    person_id: str
    name: str
    rank: int
    licence: str
    signed_at: datetime
    algorithm: str
    covered: str
    value: str
    certificate: str


@dataclass(frozen=True, slots=True)
class IssuedVersion:
    """A version of a report, for ever. `version` from 1; `kind` "original", "correction" or
    "addendum", and "preliminary" for what T13 releases; `reason` of corrections and addenda;
    `exceptions` are flags of guards that were met otherwise (I4)."""

    report_id: str
    version: int
    kind: str
    base_version: int
    reason: str
    issued_at: datetime
    content: Content
    patient: Patient
    exam: Exam
    signatures: tuple[Signature, ...]
    author: str
    exceptions: tuple[str, ...] = ()
    current: bool = True
