"""Ages of patients at the time of an examination (REP-15)."""

import re

from dicomweb_server.dicom.ages import age_on
from dicomweb_server.reading.content import Exam, Patient

_AGE = re.compile(r"(\d{3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_UNITS = {
    "D": ("天", "days"),
    "W": ("周", "weeks"),
    "M": ("个月", "months"),
    "Y": ("岁", "years"),
}


def years_at(patient: Patient, exam: Exam) -> float | None:
    """Age in years: as it is stated, else from the dates of birth and examination; None when
    neither says."""
    age = _age(patient, exam)
    return None if age is None else int(age[1]) / _PER_YEAR[age[2]]


def age_text(patient: Patient, exam: Exam, *, chinese: bool) -> str:
    """The age as it is written on a report; "" if unknown."""
    age = _age(patient, exam)
    if age is None:
        return ""
    zh, en = _UNITS[age[2]]
    return f"{int(age[1])}{zh}" if chinese else f"{int(age[1])} {en}"


def _age(patient: Patient, exam: Exam) -> re.Match[str] | None:
    return _AGE.fullmatch(patient.age) or _AGE.fullmatch(
        age_on(patient.birth_date, exam.performed[:8])
    )
