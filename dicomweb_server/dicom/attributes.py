"""Which attributes say something of a study, a series, an instance, and how they are matched.

PS3.18 Tables 10.6.3-3 to 10.6.3-5 and PS3.4 Tables C.6-1 to C.6-4, with others that reading rooms
search for. An attribute belongs to one level.

Terms are what search compares, byte by byte: this module and matching.py normalise with the same
functions, so that equal values are equal strings and ranges of strings are ranges of values.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

import orjson
from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomweb_server.dicom.fuzzy import fuzzy_keys
from dicomweb_server.dicom.json_model import Json, encode
from dicomweb_server.dicom.moments import (
    moment_key,
    moment_of,
    offset_minutes,
    shifted,
    utc_key,
)
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


def key_named(name: str) -> str:
    """The same of a keyword or a tag of 8 hex digits. Raises KeyError for what is neither."""
    return name.upper() if _TAG.fullmatch(name) else key_of(name)


_TAG = re.compile(r"[0-9A-Fa-f]{8}")


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

MODALITIES_IN_STUDY = key_of("ModalitiesInStudy")
SOP_CLASSES_IN_STUDY = key_of("SOPClassesInStudy")
TIMEZONE = key_of("TimezoneOffsetFromUTC")

MOMENTS: Mapping[QueryLevel, tuple[tuple[str, str], ...]] = {
    level: tuple((key_of(f"{name}Date"), key_of(f"{name}Time")) for name in names)
    for level, names in {
        QueryLevel.STUDY: ("Study",),
        QueryLevel.SERIES: ("Series", "PerformedProcedureStepStart"),
        QueryLevel.INSTANCE: ("InstanceCreation", "Acquisition", "Content"),
    }.items()
}
"""Dates and times that together name a moment. A birth is none: its zone is not the study's."""

_NOT_MATCHED = frozenset(
    _keys("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImageComments")
)
"""Returned, but no sensible search condition."""

_ITEM_DEPTH = 4
"""Sequences in sequences that can be searched."""


@dataclass(frozen=True, slots=True)
class PrivateAttribute:
    """A private attribute, whichever block its creator has reserved (PS3.5 §7.8.1).

    group    odd
    element  the last two digits: 01 of (0009,xx01)
    """

    group: int
    element: int
    creator: str
    vr: str

    @property
    def term(self) -> str:
        """The key of its terms."""
        return f"{self.group:04X}xx{self.element:02X} {self.creator}"

    def key_in(self, document: Json) -> tuple[str, str] | None:
        """Its key and its creator's in a data set that has it."""
        for block in range(0x10, 0x100):
            named = document.get(f"{self.group:04X}00{block:02X}")
            values = named.get("Value") if named is not None else None
            if isinstance(values, list) and values[0] == self.creator:
                key = f"{self.group:04X}{block:02X}{self.element:02X}"
                if key in document:
                    return key, f"{self.group:04X}00{block:02X}"
        return None


@dataclass(frozen=True, eq=False)
class Attributes:
    """What can be found and returned by search: the attributes of each level, ascending, and the
    private ones. Each is equal to itself alone, so that what is remembered can go by it."""

    levels: Mapping[QueryLevel, tuple[str, ...]]
    private: Mapping[QueryLevel, tuple[PrivateAttribute, ...]]

    @cached_property
    def level_of(self) -> Mapping[str, QueryLevel]:
        return {key: level for level, keys in self.levels.items() for key in keys}

    @cached_property
    def remembered(self) -> "dict[tuple[QueryLevel, str | None, bytes], Level]":
        """What `level_of` made lately, by what it was made of: the slices of a series say the same
        of their study and series, and working out terms takes longer than seeing that."""
        return {}


STANDARD = Attributes(
    {QueryLevel.STUDY: STUDY, QueryLevel.SERIES: SERIES, QueryLevel.INSTANCE: INSTANCE}, {}
)


def attributes_of(searchable: str) -> Attributes:
    """The standard attributes and those that a setting names, e.g.
    `instance:KVP, series:00180015, study:0009xx01 ACME 1.1=SH`. Raises ValueError."""
    levels = {level: set(keys) for level, keys in STANDARD.levels.items()}
    private: dict[QueryLevel, list[PrivateAttribute]] = {level: [] for level in QueryLevel}
    for entry in filter(None, map(str.strip, searchable.split(","))):
        name, _, attribute = entry.partition(":")
        if name not in {level.value for level in QueryLevel} or not attribute:
            raise ValueError(f"{entry!r} must begin with study:, series: or instance:")
        level = QueryLevel(name)
        found = re.fullmatch(
            r"([0-9A-Fa-f]{3}[13579BDFbdf])xx([0-9A-Fa-f]{2}) (.+?)(?:=([A-Z]{2}))?", attribute
        )
        if found:
            group, element = int(found[1], 16), int(found[2], 16)
            vr = found[4] or "LO"
            private[level].append(PrivateAttribute(group, element, found[3], vr))
            continue
        try:
            key = key_named(attribute)
        except KeyError:
            raise ValueError(
                f"{attribute!r} is no keyword, no tag and no `0009xx01 CREATOR=VR`"
            ) from None
        if vr_of(key) in ("UN", *_BULK_VRS):
            raise ValueError(f"{attribute!r} is nothing that can be searched for")
        for keys in levels.values():
            keys.discard(key)
        levels[level].add(key)
    return Attributes(
        {level: tuple(sorted(keys)) for level, keys in levels.items()},
        {level: tuple(some) for level, some in private.items()},
    )


_BULK_VRS = ("OB", "OD", "OF", "OL", "OV", "OW")


def level_of(
    document: Json,
    level: QueryLevel,
    attributes: Attributes = STANDARD,
    *,
    known: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType({}),
) -> Level:
    """What an instance's DICOM JSON says of one level.

    known  `terms_of_element` of elements that need not be looked at again, by key
    """
    kept: Json = {key: document[key] for key in attributes.levels[level] if key in document}
    private: list[tuple[str, Json]] = []
    shown = kept
    for each in attributes.private.get(level, ()):
        if (keys := each.key_in(document)) is not None:
            shown = shown | {key: document[key] for key in keys}
            said = document[keys[0]]
            if said["vr"] == each.vr or _WITH_OBJECTS.isdisjoint((said["vr"], each.vr)):
                private.append((each.term, said | {"vr": each.vr}))
    timezone = _timezone_of(document)
    encoded = encode(dict(sorted(shown.items())) if private else shown)
    if level is QueryLevel.INSTANCE or len(encoded) > _REMEMBERED_BYTES:
        terms = _terms(kept, private, level, timezone, known)
        return Level(terms=terms, document=encoded)
    found = attributes.remembered.get((level, timezone, encoded))
    if found is None:
        terms = _terms(kept, private, level, timezone, known)
        found = Level(terms=terms, document=encoded)
        if len(attributes.remembered) >= _REMEMBERED:
            attributes.remembered.clear()
        attributes.remembered[level, timezone, encoded] = found
    return found


_WITH_OBJECTS = frozenset(("PN", "SQ"))
"""VRs whose values are objects in DICOM JSON, each of a kind of its own."""


def _timezone_of(document: Json) -> str | None:
    values = document.get(TIMEZONE, {}).get("Value")
    first = values[0] if isinstance(values, list) else None
    return first if isinstance(first, str) else None


_REMEMBERED = 256
_REMEMBERED_BYTES = 16 * 1024


def terms_of_element(key: str, element: Json) -> dict[str, tuple[str, ...]]:
    """What is found of an element in its data set."""
    terms: dict[str, tuple[str, ...]] = {}
    if key not in _NOT_MATCHED:
        _add_terms(terms, key, element)
    return terms


def _terms(
    kept: Json,
    private: Iterable[tuple[str, Json]],
    level: QueryLevel,
    timezone: str | None,
    known: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> dict[str, tuple[str, ...]]:
    terms: dict[str, tuple[str, ...]] = {}
    for key, element in kept.items():
        if key in known:
            terms.update(known[key])
        elif key not in _NOT_MATCHED:
            _add_terms(terms, key, element)
    for term, element in private:
        _add_terms(terms, term, element)
    _add_moments(terms, level, timezone)
    return terms


def _add_terms(
    terms: dict[str, tuple[str, ...]], key: str, element: Json, *, depth: int = 0
) -> None:
    """The values of an element; those of a name also as they sound, under its key and `~`; the
    items of a sequence each as one value."""
    values = element.get("Value")
    if not values:
        return
    vr = element["vr"]
    if vr == "SQ":
        # A sequence too long for that (an orjson.Fragment) is not searched.
        if depth < _ITEM_DEPTH and isinstance(values, list):
            terms[key] = tuple(_item(item, depth) for item in values)
        return
    if _is_sequence(key):
        # Written with another VR: search would take the text for an item.
        return
    if normal := terms_of(vr, values):
        terms[key] = normal
    if vr == "PN":
        groups = [group for name in values if name for group in name.values()]
        terms[key + SOUNDS] = fuzzy_keys(groups)


@lru_cache(maxsize=4096)
def _is_sequence(key: str) -> bool:
    """Whether a standard attribute is one; the key of a private one's terms is no tag."""
    return len(key) == 8 and vr_of(key) == "SQ"


SOUNDS = "~"
"""After the key of a name: how it sounds (fuzzy.py)."""


def _item(item: Json, depth: int) -> str:
    terms: dict[str, tuple[str, ...]] = {}
    for key, element in item.items():
        _add_terms(terms, key, element, depth=depth + 1)
    return orjson.dumps(terms).decode()


def _add_moments(
    terms: dict[str, tuple[str, ...]], level: QueryLevel, timezone: str | None
) -> None:
    """Date and time as one value, and both as UTC when the zone is said: what combined ranges and
    searches with a zone are compared with (moments.py)."""
    for date, time in MOMENTS[level]:
        if date not in terms:
            continue
        local = moment_of(terms[date][0], terms.get(time, ("",))[0])
        if local is None:
            continue
        terms[moment_key(date)] = (local,)
        offset = offset_minutes(timezone)
        if offset is not None:
            there = shifted(local, -offset)
            terms[utc_key(date)] = (there,)
            terms[utc_key(time)] = (there[8:],)


def rollup_of(document: Json) -> dict[str, tuple[str, ...]]:
    """What a series contributes to ModalitiesInStudy and SOPClassesInStudy."""
    found = {}
    for key, source in ((MODALITIES_IN_STUDY, "00080060"), (SOP_CLASSES_IN_STUDY, "00080016")):
        element = document.get(source)
        said = element.get("Value") if element else None
        if element and isinstance(said, list) and (values := terms_of(element["vr"], said)):
            found[key] = values
    return found


def terms_of(vr: str, values: Sequence[Any]) -> tuple[str, ...]:
    """The values of a DICOM JSON element as they are matched, empty ones left out."""
    if vr == "PN":
        return tuple(folded for name in values if name for folded in fold_groups(name.values()))
    normal = _NORMAL.get(vr, _trimmed)
    return tuple(filter(None, [normal(value) for value in values if value is not None]))


def term_of(vr: str, value: Any) -> str:
    """One value of any VR but PN and SQ, normalised; "" when there is nothing to match.

    DA becomes YYYYMMDD, TM HHMMSS.FFFFFF, numbers lose what does not change them. A value that is
    none of its VR is only trimmed: it can still be found as it is.
    """
    return _NORMAL.get(vr, _trimmed)(value)


def normal_name(text: str) -> str:
    """A name as it is asked for, one component group."""
    return fold(text)


def _trimmed(value: Any) -> str:
    return _shortest(value) if isinstance(value, float) else str(value).strip(" \0")


def _date(value: Any) -> str:
    """YYYYMMDD; the YYYY.MM.DD of ACR-NEMA too (PS3.5 §6.2, DA)."""
    text = _trimmed(value)
    if len(text) == 10 and text[4] == text[7] == "." and text.replace(".", "").isdigit():
        return text.replace(".", "")
    return text


def _time(value: Any) -> str:
    """HHMMSS.FFFFFF of a TM, whose tail may be missing, and of the HH:MM:SS of ACR-NEMA."""
    text = _trimmed(value)
    whole, _, fraction = text.replace(":", "").partition(".")
    if (
        not whole.isdigit()
        or len(whole) > 6
        or len(whole) % 2
        or (fraction and not fraction.isdigit())
    ):
        return text
    return f"{whole:0<6}.{fraction[:6]:0<6}"


def _number(value: Any) -> str:
    """An integer without leading zeros or sign, a decimal as its shortest form: `1`, `2.5`."""
    if isinstance(value, int):
        return str(value)
    text = _trimmed(value)
    try:
        return str(int(text))
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return _shortest(number)


def _shortest(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 2**63 else repr(number)


_NORMAL: dict[str, Callable[[Any], str]] = {
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
