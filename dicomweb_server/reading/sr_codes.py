"""Codes of structured reports: titles, headings, elements, languages, measurements.

PS3.16 CID 7000, 7001, 7002, 7003, 5000, 7470, 7471, 7472; units are UCUM's.
"""

import re

from dicomweb_server.reading.content import Exam
from dicomweb_server.reading.document_headers import Code


def ln(value: str, meaning: str) -> Code:
    return Code(value, "LN", meaning)


def dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


DIAGNOSTIC_IMAGING_REPORT = ln("18748-4", "Diagnostic Imaging Report")

_OBSTETRIC = ln("11525-3", "Ultrasound Obstetric and Gyn Report")
_TITLES = (
    ("CT", r"head|brain|skull|头|颅|脑", ln("24725-4", "CT Head Report")),
    ("CT", r"chest|thora|lung|胸(?!椎)|肺", ln("24627-2", "CT Chest Report")),
    ("CT", r"abdom|liver|腹|肝", ln("41806-1", "CT Abdomen Report")),
    ("CT", "", ln("25045-6", "CT Report")),
    ("MR", r"head|brain|头|颅|脑", ln("24590-2", "MRI Head Report")),
    ("MR", r"spine|lumbar|cervical|thoracic sp|脊|椎", ln("18756-7", "MRI Spine Report")),
    ("MR", "", ln("25056-3", "MRI Report")),
    ("US", r"thyroid|甲状腺", ln("25010-0", "US Thyroid Report")),
    ("US", r"breast|乳腺", ln("24601-7", "US Breast Report")),
    ("US", r"kidney|renal|肾", ln("38036-0", "US Kidney Report")),
    ("US", r"liver|肝", ln("28614-6", "US Liver Report")),
    (
        "US",
        r"obstet|fetal|fetus|gyn|产科|胎|妇科",
        ln("11525-3", "Ultrasound Obstetric and Gyn Report"),
    ),
    ("US", "", ln("25061-3", "Ultrasound Report")),
    ("MG", "", dcm("111400", "Breast Imaging Report")),
    ("CR", "", ln("43468-8", "X-Ray Report")),
    ("DX", "", ln("43468-8", "X-Ray Report")),
    ("RF", "", ln("49512-7", "Fluoroscopy Study Report")),
    ("NM", "", ln("49118-3", "Nuclear Medicine Report")),
    ("PT", "", ln("44136-0", "PET Scan Report")),
)


def title(exam: Exam) -> Code:
    """The document title that says most of the examination without saying what it was not."""
    said = f"{exam.body_part} {exam.description}"
    for modality, part, code in _TITLES:
        if exam.modality == modality and re.search(part, said, re.IGNORECASE):
            return code
    return DIAGNOSTIC_IMAGING_REPORT


PROCEDURE = dcm("121065", "Procedure Description")
FINDING = dcm("121071", "Finding")
COMMENT = dcm("121106", "Comment")
"""Why a version replaces or adds to the one before."""

SECTIONS = {
    "history": (ln("11329-0", "History"), ln("11329-0", "History")),
    "technique": (ln("55111-9", "Current Procedure Descriptions"), PROCEDURE),
    "comparison": (ln("55114-3", "Prior Procedure Descriptions"), PROCEDURE),
    "findings": (ln("59776-5", "Findings"), FINDING),
    "impression": (ln("19005-8", "Impressions"), dcm("121073", "Impression")),
    "recommendation": (ln("18783-1", "Recommendations"), dcm("121075", "Recommendation")),
    "addendum": (ln("55107-7", "Addendum"), FINDING),
}
"""Heading (CID 7001) and element (CID 7002) of each section."""

REQUEST = ln("55115-0", "Request")
KEY_IMAGES = ln("55113-5", "Key Images")

LANGUAGE = dcm("121049", "Language of Content Item and Descendants")
DEVICE_TYPE = dcm("122142", "Acquisition Device Type")
OBSERVER_TYPE = dcm("121005", "Observer Type")
PERSON = dcm("121006", "Person")
OBSERVER_NAME = dcm("121008", "Person Observer Name")
OBSERVER_ORGANIZATION = dcm("121009", "Person Observer's Organization Name")
BEST_ILLUSTRATION = dcm("121080", "Best illustration of finding")
SOURCE_OF_MEASUREMENT = dcm("121112", "Source of Measurement")

_LANGUAGES = {
    "zh": "Chinese",
    "zh-CN": "Chinese (China)",
    "zh-TW": "Chinese (Taiwan)",
    "en": "English",
    "en-US": "English (United States)",
    "en-GB": "English (United Kingdom)",
}


def language(tag: str) -> Code:
    """Of RFC 5646, as CID 5000 has languages."""
    return Code(tag, "RFC5646", _LANGUAGES.get(tag, tag))


_DEVICES = {
    "BMD": "Bone Mineral Densitometry",
    "CR": "Computed Radiography",
    "CT": "Computed Tomography",
    "DX": "Digital Radiography",
    "ECG": "Electrocardiography",
    "ES": "Endoscopy",
    "IO": "Intra-oral Radiography",
    "IVUS": "Intravascular Ultrasound",
    "MG": "Mammography",
    "MR": "Magnetic Resonance",
    "NM": "Nuclear Medicine",
    "OCT": "Optical Coherence Tomography",
    "PT": "Positron emission tomography",
    "PX": "Panoramic X-Ray",
    "RF": "Radiofluoroscopy",
    "RG": "Radiographic imaging",
    "SM": "Slide Microscopy",
    "US": "Ultrasound",
    "XA": "X-Ray Angiography",
}


def modality(abbreviation: str) -> Code | None:
    """Of CID 29, what reports are written on; None for what is none.

    Written out: pydicom's table of all codes takes 100 MiB of memory.
    """
    meaning = _DEVICES.get(abbreviation)
    return None if meaning is None else dcm(abbreviation, meaning)


_MEASUREMENTS = {
    "length": Code("410668003", "SCT", "Length"),
    "distance": dcm("121206", "Distance"),
    "diameter": Code("81827009", "SCT", "Diameter"),
    "area": Code("42798000", "SCT", "Area"),
    "volume": Code("118565006", "SCT", "Volume"),
    "angle": Code("1483009", "SCT", "Angle"),
    "mean": Code("373098007", "SCT", "Mean"),
    "min": Code("255605001", "SCT", "Minimum"),
    "max": Code("56851009", "SCT", "Maximum"),
    "stddev": Code("386136009", "SCT", "Standard Deviation"),
}


def measurement(kind: str) -> Code:
    """What was measured. A kind without a code is coded by its own name."""
    return _MEASUREMENTS.get(kind.lower()) or Code(
        kind[:16] or "value", "99DICOMWEB", kind or "value"
    )


_UNITS = {
    "mm": "millimeter",
    "cm": "centimeter",
    "mm2": "square millimeter",
    "cm2": "square centimeter",
    "mm3": "cubic millimeter",
    "cm3": "cubic centimeter",
    "ml": "milliliter",
    "deg": "degree",
    "[hnsf'U]": "Hounsfield unit",
    "{pixels}": "pixels",
    "{pixels}2": "square pixels",
    "{SUVbw}g/ml": "Standardized Uptake Value body weight",
    "{SUVlbm}g/ml": "Standardized Uptake Value lean body mass",
    "{SUVibw}g/ml": "Standardized Uptake Value ideal body weight",
    "{SUVbsa}cm2/ml": "Standardized Uptake Value body surface area",
    "1": "no units",
}


def unit(ucum: str) -> Code:
    return Code(ucum or "1", "UCUM", _UNITS.get(ucum or "1", ucum))


SINGLE_FRAME = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{each}"
    for each in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "4", "6.1", "7", "128")
)
"""SOP classes whose images have one frame: CR, DX, MG, IO, CT, MR, US, SC, PT."""
