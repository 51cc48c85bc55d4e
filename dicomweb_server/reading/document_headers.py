"""What every DICOM object made of a report has in common: patient, study, series, equipment, SOP
(PS3.3 §C.7.1, §C.7.2, §C.7.5, §C.12.1), as DICOM JSON to be written in UTF-8.

Patient and examination are those of the snapshot that was signed. Short texts are cut where their
VR ends (PS3.5 §6.2), for they are labels; the report's own texts have VRs without such an end. A
text that UTF-8 cannot write (a lone surrogate) is Unwritable, never a question mark.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dicomweb_server.dicom.attributes import key_of, vr_of
from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.source import PiecedSource
from dicomweb_server.dicom.written import UTF_8, Bulk, part10
from dicomweb_server.reading.content import IssuedVersion
from dicomweb_server.reading.errors import Unwritable

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
MANUFACTURER = "dicomweb-server"

_LIMITS = {"AE": 16, "CS": 16, "LO": 64, "LT": 10240, "PN": 64, "SH": 16, "ST": 1024}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Code:
    """A code (PS3.3 §8)."""

    value: str
    scheme: str
    meaning: str

    @property
    def item(self) -> Json:
        return attributes(
            CodeValue=self.value, CodingSchemeDesignator=self.scheme, CodeMeaning=self.meaning
        )


@dataclass(frozen=True, slots=True)
class Study:
    """What the archive knows of a study and a report's snapshot does not say."""

    date: str = ""
    time: str = ""
    study_id: str = ""


def attributes(**values: Any) -> Json:
    """DICOM JSON of attributes by keyword: a text or number, a Code, a list of items or of values;
    "" and () are empty, None is left out."""
    document: Json = {}
    for keyword, value in values.items():
        if value is None:
            continue
        key = key_of(keyword)
        vr = vr_of(key)
        if isinstance(value, Code):
            value = [value.item]
        several = value if isinstance(value, list | tuple) else [value]
        shown = [each if vr == "SQ" else _value(vr, each) for each in several if each != ""]
        document[key] = {"vr": vr, **({"Value": shown} if shown else {})}
    return document


def person(alphabetic: str, ideographic: str = "") -> Any:
    """A PN. A name written in Chinese alone is its ideographic group: nobody has said how it is
    written in Latin letters."""
    if not ideographic and any(c >= "\u2e80" for c in alphabetic):
        alphabetic, ideographic = "", alphabetic
    groups = {"Alphabetic": alphabetic, "Ideographic": ideographic}
    return {name: _short("PN", value) for name, value in groups.items() if value} or ""


def header(
    issued: IssuedVersion,
    study: Study,
    *,
    sop_class_uid: str,
    instance_uid: str,
    series_uid: str,
    study_uid: str,
    modality: str,
    series_number: int,
    series_description: str,
    zone_at: datetime,
) -> Json:
    """The modules that every document has.

    zone_at  a moment in the zone that the object's times are in
    """
    patient, exam = issued.patient, issued.exam
    return attributes(
        SpecificCharacterSet=UTF_8,
        SOPClassUID=sop_class_uid,
        SOPInstanceUID=instance_uid,
        InstanceCreationDate=zone_at.strftime("%Y%m%d"),
        InstanceCreationTime=zone_at.strftime("%H%M%S"),
        TimezoneOffsetFromUTC=zone_at.strftime("%z"),
        PatientName=person(patient.name, patient.ideographic),
        PatientID=patient.patient_id,
        IssuerOfPatientID=patient.issuer or None,
        PatientBirthDate=patient.birth_date,
        PatientSex=patient.sex if patient.sex in ("M", "F", "O") else "",
        PatientAge=patient.age if re.fullmatch(r"\d{3}[DWMY]", patient.age) else None,
        AdmissionID=patient.visit or None,
        StudyInstanceUID=study_uid,
        StudyDate=study.date or exam.performed[:8],
        StudyTime=study.time or exam.performed[8:14],
        StudyID=study.study_id,
        AccessionNumber=exam.accession,
        ReferringPhysicianName=person(exam.requesting_physician),
        StudyDescription=exam.description or None,
        InstitutionName=exam.institution or None,
        Manufacturer=MANUFACTURER,
        Modality=modality,
        SeriesInstanceUID=series_uid,
        SeriesNumber=series_number,
        SeriesDescription=series_description,
        ReferencedPerformedProcedureStepSequence=() if modality in ("SR", "KO") else None,
        InstanceNumber=issued.version,
        ContentDate=zone_at.strftime("%Y%m%d"),
        ContentTime=zone_at.strftime("%H%M%S"),
    )


def written(document: Json, *, bulk: Sequence[bytes] = ()) -> bytes:
    """The Part 10 file, Explicit VR Little Endian. Raises Unwritable.

    bulk  the value of the attribute with a BulkDataURI, where there is one
    """
    try:
        pieces = part10(
            document,
            transfer_syntax_uid=EXPLICIT_LITTLE_ENDIAN,
            bulk_of=lambda path, uri: Bulk(bulk),
        )
    except UnicodeError as error:
        raise Unwritable(f"a text of the report cannot be written in UTF-8: {error}") from error
    except Malformed as error:
        raise Unwritable(f"the report cannot be written: {error}") from error
    whole = PiecedSource(pieces)
    return whole.read_at(0, whole.length)


def in_words(text: str) -> str:
    """A text of the report for a VR without a limit: lines end as PS3.5 §6.1.3 has it."""
    return "\r\n".join(_CONTROL_IN_TEXT.sub("", text).splitlines())


def date_time(moment: datetime) -> str:
    """DT with its offset (PS3.5 §6.2)."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def _value(vr: str, value: Any) -> Any:
    return _short(vr, value) if isinstance(value, str) and vr in _LIMITS else value


def _short(vr: str, text: str) -> str:
    """Cut to so many bytes as PS3.5 allows characters: there are programs (dciodvfy is one) that
    count the former, and a label does without its end."""
    label = _CONTROL.sub(" ", text.replace("\\", "/"))
    while len(label.encode()) > _LIMITS[vr]:
        label = label[: min(len(label) - 1, _LIMITS[vr])]
    return label.strip()
