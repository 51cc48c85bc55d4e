"""What a search asks: QIDO-RS parameters into a storage Query (PS3.18 §8.3.4, PS3.4 §C.2.2.2).

    StudyDate=20240101-20240131     range; either end may be open
    PatientName=zhang*              wild cards `*` and `?`; names are folded (names.py)
    StudyInstanceUID=1.2,1.3        any of several; also for code strings (ModalitiesInStudy=CT,MR)
    00100020=007                    a tag instead of a keyword
    RequestAttributesSequence.ScheduledProcedureStepID=A1    an attribute of an item
    includefield=all                comma lists, keywords or tags; limit, offset

An empty value, or `*` alone, matches everything (universal matching). `emptyvaluematching=true`
makes `""` ask for absent or empty values, `multiplevaluematching=true` makes `a\\b` ask for either
(PS3.4 §C.2.2.2.7 and §C.2.2.2.8). Times in a range may be short: until 10:30 includes its last
second.

An attribute can be searched at its level and below; at study level Modality and SOP Class UID ask
for studies that have one such series or instance. Whatever is not understood is refused by name:
an answer to another question than the one asked would be worse.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dicomweb_server.dicom.attributes import (
    LEVEL_OF,
    MODALITIES_IN_STUDY,
    SOP_CLASSES_IN_STUDY,
    key_of,
    term_of,
    vr_of,
)
from dicomweb_server.dicom.errors import BadQuery
from dicomweb_server.dicom.names import fold
from dicomweb_server.dicom.uids import is_uid
from storage.model import Between, Condition, Empty, Like, OneOf, Query, QueryLevel

_ORDER = (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE)

_DEFAULTS = {
    # Table 10.6.3-3, and Study Description, which every worklist shows.
    QueryLevel.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "InstanceAvailability",
        "ModalitiesInStudy",
        "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
        "StudyDescription",
        "RetrieveURL",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    # Table 10.6.3-4
    QueryLevel.SERIES: (
        "Modality",
        "TimezoneOffsetFromUTC",
        "SeriesDescription",
        "RetrieveURL",
        "SeriesInstanceUID",
        "SeriesNumber",
        "NumberOfSeriesRelatedInstances",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ),
    # Table 10.6.3-5, and which transfer syntax there is to retrieve (PS3.4 §C.6.1.1.5.2)
    QueryLevel.INSTANCE: (
        "SOPClassUID",
        "SOPInstanceUID",
        "InstanceAvailability",
        "TimezoneOffsetFromUTC",
        "RetrieveURL",
        "InstanceNumber",
        "Rows",
        "Columns",
        "BitsAllocated",
        "NumberOfFrames",
        "AvailableTransferSyntaxUID",
    ),
}

_DEFAULT_KEYS = {
    level: frozenset(key_of(keyword) for keyword in keywords)
    for level, keywords in _DEFAULTS.items()
}

_STUDY_ROLLUP = {
    key_of("Modality"): MODALITIES_IN_STUDY,
    key_of("SOPClassUID"): SOP_CLASSES_IN_STUDY,
}
"""Asked of studies, these mean the union over the study."""

_LEVEL_OF = {
    **LEVEL_OF,
    MODALITIES_IN_STUDY: QueryLevel.STUDY,
    SOP_CLASSES_IN_STUDY: QueryLevel.STUDY,
}

_WILD_CARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""PS3.4 §C.2.2.2.4: not dates, times, numbers, UIDs, ages."""

_LIST_VRS = frozenset({"CS", "UI"})
"""A comma cannot be part of a value of these."""

_RANGE_VRS = frozenset({"DA", "DT", "TM"})


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A search as asked.

    include  tags to return besides the default ones of the level; None for all there are
    fuzzy    fuzzymatching=true was asked for. Matching is literal all the same, on folded names
    """

    query: Query
    include: frozenset[str] | None
    fuzzy: bool


def default_attributes(level: QueryLevel) -> frozenset[str]:
    """What a row of `level` returns unasked (PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""
    return _DEFAULT_KEYS[level]


def parse_query(
    level: QueryLevel,
    parameters: Sequence[tuple[str, str]],
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
) -> ParsedQuery:
    """The query that decoded name and value pairs ask for. Raises BadQuery.

    study_uid, series_uid  from the path, already checked to be UIDs
    """
    asked = _Parameters()
    attributes: dict[str, tuple[str, str]] = {}
    for name, value in parameters:
        if name in _PARAMETERS:
            _PARAMETERS[name](asked, value)
            continue
        path = _path(name, name)
        if path in attributes:
            raise BadQuery(name, "is given twice")
        attributes[path] = (name, value)
    conditions: list[Condition] = []
    for path, (name, value) in attributes.items():
        conditions.extend(_conditions(level, path, name, value, asked))
    return ParsedQuery(
        Query(
            level=level,
            conditions=tuple(conditions),
            study_uid=study_uid,
            series_uid=series_uid,
            offset=asked.offset,
            limit=asked.limit,
        ),
        include=None if asked.include_all else frozenset(asked.include),
        fuzzy=asked.fuzzy,
    )


class _Parameters:
    """The parameters that are no attributes."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.offset = 0
        self.fuzzy = False
        self.empty_values = False
        self.multiple_values = False
        self.include: set[str] = set()
        self.include_all = False

    def set_limit(self, value: str) -> None:
        self.limit = _count("limit", value)

    def set_offset(self, value: str) -> None:
        self.offset = _count("offset", value)

    def set_fuzzy(self, value: str) -> None:
        self.fuzzy = _flag("fuzzymatching", value)

    def set_empty_values(self, value: str) -> None:
        self.empty_values = _flag("emptyvaluematching", value)

    def set_multiple_values(self, value: str) -> None:
        self.multiple_values = _flag("multiplevaluematching", value)

    def add_include(self, value: str) -> None:
        for name in value.split(","):
            if name.strip().lower() == "all":
                self.include_all = True
            elif name.strip():
                self.include.add(_path("includefield", name.strip()).split(".")[0])


_PARAMETERS: dict[str, Callable[[_Parameters, str], None]] = {
    "limit": _Parameters.set_limit,
    "offset": _Parameters.set_offset,
    "fuzzymatching": _Parameters.set_fuzzy,
    "emptyvaluematching": _Parameters.set_empty_values,
    "multiplevaluematching": _Parameters.set_multiple_values,
    "includefield": _Parameters.add_include,
}


def _count(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", value):
        raise BadQuery(name, f"is {value!r}, it must be a whole number from 0 on")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadQuery(name, f"is {value!r}, it must be true or false")
    return value.lower() == "true"


def _path(parameter: str, name: str) -> str:
    """`GGGGEEEE`, or `GGGGEEEE.GGGGEEEE` for an attribute of an item."""
    keys = []
    for part in name.split("."):
        if re.fullmatch(r"[0-9A-Fa-f]{8}", part):
            keys.append(part.upper())
            continue
        try:
            keys.append(key_of(part))
        except KeyError:
            raise BadQuery(
                parameter, f"{part!r} is neither a keyword of PS3.6 nor a tag of 8 hex digits"
            ) from None
    return ".".join(keys)


def _conditions(
    level: QueryLevel, path: str, name: str, value: str, asked: _Parameters
) -> list[Condition]:
    if level is QueryLevel.STUDY:
        path = _STUDY_ROLLUP.get(path, path)
    at = _LEVEL_OF.get(path.split(".")[0])
    if at is None:
        raise BadQuery(name, "cannot be searched for here")
    if _ORDER.index(at) > _ORDER.index(level):
        raise BadQuery(
            name, f"is an attribute of the {at.value}, this is a search for {level.value} rows"
        )
    vr = vr_of(path.split(".")[-1])
    if vr == "SQ":
        raise BadQuery(name, "is a sequence: name the attribute in it, after a dot")
    if asked.empty_values and value == '""':
        return [Empty(at, path)]
    value = value.strip(" ")
    if value.strip("*") == "":
        return []
    if vr == "PN" and not asked.multiple_values:
        # Groups of a name are stored as values of their own: each that is asked for must be there.
        return [
            condition
            for group in value.split("=")
            if group
            for condition in [_one(at, path, vr, group)]
        ]
    if vr in _RANGE_VRS and "-" in value:
        found = _range(at, path, name, vr, value)
        if found is not None:
            return [found]
    values = [value]
    if vr in _LIST_VRS:
        values = [part.strip() for part in re.split(r"[,\\]", value) if part.strip()]
    elif asked.multiple_values:
        values = [part for part in value.split("\\") if part]
    if len(values) == 1:
        _check(name, vr, values[0])
        return [_one(at, path, vr, values[0])]
    if vr in _WILD_CARD_VRS and any(wild in value for wild in "*?"):
        raise BadQuery(name, "asks for several values, which cannot hold wild cards")
    for each in values:
        _check(name, vr, each)
    return [OneOf(at, path, tuple(_term(vr, each) for each in values))]


def _one(at: QueryLevel, path: str, vr: str, value: str) -> Condition:
    term = _term(vr, value)
    if vr in _WILD_CARD_VRS and ("*" in term or "?" in term):
        return Like(at, path, term)
    return OneOf(at, path, (term,))


def _term(vr: str, value: str) -> str:
    return fold(value) if vr == "PN" else term_of(vr, value)


_AFTER_ANY_DIGIT = "~"
"""Makes a short upper end of DT sort after every longer value that begins with it."""

_FORMS = {
    "DA": (r"[0-9]{8}|[0-9]{4}\.[0-9]{2}\.[0-9]{2}", "a date is YYYYMMDD"),
    "TM": (
        r"[0-9]{2}(:?[0-9]{2}(:?[0-9]{2}(\.[0-9]{1,6})?)?)?",
        "a time is HHMMSS.FFFFFF, its tail may be left out",
    ),
    "DT": (
        r"[0-9]{4}([0-9]{2}){0,5}(\.[0-9]{1,6})?([+-][0-9]{4})?",
        "a date and time is YYYYMMDDHHMMSS.FFFFFF&ZZXX, its tail may be left out",
    ),
}


def _check(name: str, vr: str, value: str) -> None:
    """Refuses what can match nothing because it is no value of its VR."""
    if vr == "UI" and not is_uid(value):
        raise BadQuery(name, f"{value!r} is no UID: digits and dots, at most 64 (PS3.5 §9.1)")
    if vr in _FORMS:
        form, sentence = _FORMS[vr]
        if not re.fullmatch(form, value):
            raise BadQuery(name, f"{value!r} cannot be read: {sentence}; a range has a `-` between")


def _range(at: QueryLevel, path: str, name: str, vr: str, value: str) -> Condition | None:
    """PS3.4 §C.2.2.2.5; None when the `-` belongs to the time zone of one DT."""
    form, _ = _FORMS[vr]
    if vr == "DT" and re.fullmatch(form, value):
        return None
    found = re.fullmatch(f"(?P<low>{form})?-(?P<high>{form})?", value)
    if found is None or not (found["low"] or found["high"]):
        raise BadQuery(name, f"{value!r} is no range: {_FORMS[vr][1]}")
    low, high = found["low"], found["high"]
    if low and high and _term(vr, low) > _last(vr, high):
        raise BadQuery(name, f"{value!r} ends before it begins")
    return Between(at, path, _term(vr, low) if low else None, _last(vr, high) if high else None)


def _last(vr: str, value: str) -> str:
    """The last moment that an upper end names: 1030 is until 10:30:59.999999."""
    if vr == "DA":
        return _term(vr, value)
    if vr == "TM":
        whole, _, fraction = value.replace(":", "").partition(".")
        return f"{whole}{'235959'[len(whole) :]}.{fraction:9<6}"
    return value + _AFTER_ANY_DIGIT
