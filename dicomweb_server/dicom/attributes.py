"""Which attributes say something of a study, a series, an instance, and how they are matched.

PS3.18 Tables 10.6.3-3 to 10.6.3-5 and PS3.4 Tables C.6-1 to C.6-4, with others that reading rooms
search for. An attribute belongs to one level.

Terms are what search compares, byte by byte: this module and matching.py normalise with the same
functions, so that equal values are equal strings and ranges of strings are ranges of values.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomweb_server.dicom.json_model import Json, encode
from dicomweb_server.dicom.names import fold, fold_groups
from storage.model import Level, QueryLevel


def _keys(*keywords: str) -> tuple[str, ...]:
    return tuple(sorted(key_of(keyword) for keyword in keywords))


def key_of(keyword: str) -> str:
    """The 8 upper-case hex digits of a keyword of PS3.6. Raises KeyError."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


STUDY = _keys(
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "InstitutionName",
    "ReferringPhysicianName",
    "TimezoneOffsetFromUTC",
    "StudyDescription",
    "ProcedureCodeSequence",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "AdmittingDiagnosesDescription",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "OtherPatientIDs",
    "OtherPatientNames",
    "OtherPatientIDsSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientSpeciesDescription",
    "PatientBreedDescription",
    "ResponsiblePerson",
    "EthnicGroup",
    "Occupation",
    "AdditionalPatientHistory",
    "PatientComments",
    "PatientIdentityRemoved",
    "ClinicalTrialProtocolID",
    "ClinicalTrialSubjectID",
    "StudyInstanceUID",
    "StudyID",
    "RequestedProcedureDescription",
    "AdmissionID",
)

SERIES = _keys(
    "SeriesDate",
    "SeriesTime",
    "Modality",
    "Manufacturer",
    "StationName",
    "SeriesDescription",
    "SeriesDescriptionCodeSequence",
    "InstitutionalDepartmentName",
    "PerformingPhysicianName",
    "OperatorsName",
    "ManufacturerModelName",
    "BodyPartExamined",
    "DeviceSerialNumber",
    "ProtocolName",
    "PatientPosition",
    "SeriesInstanceUID",
    "SeriesNumber",
    "FrameOfReferenceUID",
    "Laterality",
    "PositionReferenceIndicator",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepID",
    "PerformedProcedureStepDescription",
    "RequestAttributesSequence",
)

INSTANCE = _keys(
    "ImageType",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "SOPClassUID",
    "SOPInstanceUID",
    "AcquisitionDate",
    "ContentDate",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
    "SliceThickness",
    "AcquisitionNumber",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceLocation",
    "ImageComments",
    "ImageLaterality",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "PixelSpacing",
    "BitsAllocated",
    "BitsStored",
    "WindowCenter",
    "WindowWidth",
    "ContentLabel",
    "ContentDescription",
    "ContentCreatorName",
    "ConceptNameCodeSequence",
    "CompletionFlag",
    "VerificationFlag",
    "DocumentTitle",
    "MIMETypeOfEncapsulatedDocument",
)

ATTRIBUTES: Mapping[QueryLevel, tuple[str, ...]] = {
    QueryLevel.STUDY: STUDY,
    QueryLevel.SERIES: SERIES,
    QueryLevel.INSTANCE: INSTANCE,
}
"""The attributes that an instance's level documents hold, ascending."""

LEVEL_OF: Mapping[str, QueryLevel] = {
    key: level for level, keys in ATTRIBUTES.items() for key in keys
}

MODALITIES_IN_STUDY = key_of("ModalitiesInStudy")
SOP_CLASSES_IN_STUDY = key_of("SOPClassesInStudy")

_NOT_MATCHED = frozenset(
    _keys("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImageComments")
)
"""Returned, but no sensible search condition."""


def level_of(document: Json, level: QueryLevel) -> Level:
    """What an instance's DICOM JSON says of one level."""
    kept: Json = {}
    terms: dict[str, tuple[str, ...]] = {}
    for key in ATTRIBUTES[level]:
        element = document.get(key)
        if element is None:
            continue
        kept[key] = element
        values = element.get("Value")
        if not values or key in _NOT_MATCHED:
            continue
        if element["vr"] == "SQ":
            if isinstance(values, list):  # a sequence too long for that is not searched
                _item_terms(key, values, terms)
            continue
        normal = terms_of(element["vr"], values)
        if normal:
            terms[key] = normal
    return Level(terms=terms, document=encode(kept))


def _item_terms(key: str, items: Iterable[Any], terms: dict[str, tuple[str, ...]]) -> None:
    """`SEQUENCE.ATTRIBUTE` -> the values of all items, for the attributes directly in them."""
    for item in items:
        for inner, element in item.items():
            if element["vr"] == "SQ" or not element.get("Value"):
                continue
            name = f"{key}.{inner}"
            terms[name] = terms.get(name, ()) + terms_of(element["vr"], element["Value"])


def rollup_of(document: Json) -> dict[str, tuple[str, ...]]:
    """What a series contributes to ModalitiesInStudy and SOPClassesInStudy."""
    found = {}
    for key, source in ((MODALITIES_IN_STUDY, "00080060"), (SOP_CLASSES_IN_STUDY, "00080016")):
        element = document.get(source)
        values = terms_of(element["vr"], element.get("Value", ())) if element else ()
        if values:
            found[key] = values
    return found


def terms_of(vr: str, values: Iterable[Any]) -> tuple[str, ...]:
    """The values of a DICOM JSON element as they are matched, empty ones left out."""
    if vr == "PN":
        return tuple(folded for name in values if name for folded in fold_groups(name.values()))
    return tuple(term for value in values if value is not None and (term := term_of(vr, value)))


def term_of(vr: str, value: Any) -> str:
    """One value of any VR but PN and SQ, normalised; "" when there is nothing to match.

    DA becomes YYYYMMDD, TM HHMMSS.FFFFFF, numbers lose what does not change them. A value that is
    none of its VR is only trimmed: it can still be found as it is.
    """
    if vr in _TRIMMED_AS:
        return _TRIMMED_AS[vr](str(value))
    return str(value).strip(" \0")


def normal_name(text: str) -> str:
    """A name as it is asked for, one component group."""
    return fold(text)


def _date(text: str) -> str:
    """YYYYMMDD; the YYYY.MM.DD of ACR-NEMA too (PS3.5 §6.2, DA)."""
    text = text.strip(" \0")
    if len(text) == 10 and text[4] == text[7] == "." and text.replace(".", "").isdigit():
        return text.replace(".", "")
    return text


def _time(text: str) -> str:
    """HHMMSS.FFFFFF of a TM, whose tail may be missing, and of the HH:MM:SS of ACR-NEMA."""
    text = text.strip(" \0")
    whole, _, fraction = text.replace(":", "").partition(".")
    if (
        not whole.isdigit()
        or len(whole) > 6
        or len(whole) % 2
        or (fraction and not fraction.isdigit())
    ):
        return text
    return f"{whole:0<6}.{fraction[:6]:0<6}"


def _number(text: str) -> str:
    """An integer without leading zeros or sign, a decimal as its shortest form: `1`, `2.5`."""
    text = text.strip(" \0")
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)


_TRIMMED_AS = {
    "DA": _date,
    "TM": _time,
    **dict.fromkeys(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"), _number),
}


def vr_of(key: str) -> str:
    """The VR of a standard attribute, the first when the dictionary leaves a choice; "UN" when it
    knows none."""
    try:
        return dictionary_VR(int(key, 16)).split(" or ")[0]
    except KeyError:
        return "UN"
