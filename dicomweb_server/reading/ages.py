"""Ages of patients at the time of an examination (REP-15)."""

import re
from datetime import date

from dicomweb_server.reading.content import Exam, Patient

_AGE = re.compile(r"\s*0*(\d{1,3})\s*([DWMYdwmy天日周月岁]?)")
_DAYS = {"D": 1, "天": 1, "日": 1, "W": 7, "周": 7, "M": 30.4375, "月": 30.4375}
_UNITS = {
    "D": ("天", "days"),
    "W": ("周", "weeks"),
    "M": ("个月", "months"),
    "Y": ("岁", "years"),
}


def years_at(patient: Patient, exam: Exam) -> float | None:
    """Age in years: as it is stated (045Y, 3M, 45岁), else from the dates of birth and examination;
    None when neither says."""
    stated = _AGE.fullmatch(patient.age)
    if stated:
        days = _DAYS.get(stated[2].upper())
        return int(stated[1]) if days is None else int(stated[1]) * days / 365.25
    born, examined = _date(patient.birth_date), _date(exam.performed)
    if born is None or examined is None or examined < born:
        return None
    return (examined - born).days / 365.25


def age_text(patient: Patient, exam: Exam, *, chinese: bool) -> str:
    """The age as it is written on a report, in years, or months, or days; "" if unknown."""
    years = years_at(patient, exam)
    if years is None:
        return ""
    if years >= 2:
        number, unit = int(years + 1e-6), "Y"
    elif years >= 1 / 12:
        number, unit = int(years * 12 + 1e-6), "M"
    else:
        number, unit = round(years * 365.25), "D"
    zh, en = _UNITS[unit]
    return f"{number}{zh}" if chinese else f"{number} {en}"


def _date(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
