"""What a search asks: QIDO-RS parameters into a storage Query (PS3.18 §8.3.4, PS3.4 §C.2.2.2).

    StudyDate=20240101-20240131     range; either end may be open
    PatientName=zhang*              wild cards `*` and `?`; names are folded (names.py)
    StudyInstanceUID=1.2,1.3        any of several; also for code strings (ModalitiesInStudy=CT,MR)
    00100020=007                    a tag instead of a keyword
    RequestAttributesSequence.ScheduledProcedureStepID=A1    an attribute of an item
    includefield=all                comma lists, keywords or tags; limit, offset

    StudyDate=20240101-20240103&StudyTime=2200-0600    one range, from moment to moment
    TimezoneOffsetFromUTC=%2B0800    the zone in which the dates and times asked for are meant
    fuzzymatching=true               names also as they sound (fuzzy.py)
    00091001=7&00090010=ACME 1.1     a private attribute and its creator (setting `searchable`)
    cursor=...&count=true            not of the standard: the page after another; the exact total

Keys of one sequence must match in one item. An empty value, or `*` alone, matches everything
(universal matching). `emptyvaluematching=true` makes `""` ask for absent or empty values,
`multiplevaluematching=true` makes `a\\b` ask for both (PS3.4 §C.2.2.2.7 and §C.2.2.2.8). Times in
a range may be short: until 10:30 includes its last second.

An attribute can be searched at its level and below; at study level Modality and SOP Class UID ask
for studies that have one such series or instance. Whatever is not understood is refused by name:
an answer to another question than the one asked would be worse.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dicomweb_server.dicom.attributes import (
    MODALITIES_IN_STUDY,
    MOMENTS,
    SOP_CLASSES_IN_STUDY,
    SOUNDS,
    STANDARD,
    TIMEZONE,
    Attributes,
    PrivateAttribute,
    key_named,
    key_of,
    term_of,
    vr_of,
)
from dicomweb_server.dicom.errors import BadQuery
from dicomweb_server.dicom.fuzzy import fuzzy_words
from dicomweb_server.dicom.moments import moment_key, offset_minutes, shifted, utc_key
from dicomweb_server.dicom.names import fold
from dicomweb_server.dicom.uids import is_uid
from storage.model import (
    AnyOf,
    Between,
    Condition,
    Empty,
    Like,
    OneOf,
    Query,
    QueryLevel,
    SameItem,
)

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

_REQUIRED = {
    QueryLevel.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ModalitiesInStudy",
        "ReferringPhysicianName",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyID",
    ),
    QueryLevel.SERIES: ("Modality", "SeriesNumber"),
    QueryLevel.INSTANCE: ("InstanceNumber",),
}

REQUIRED = {
    level: tuple(key_of(keyword) for keyword in keywords) for level, keywords in _REQUIRED.items()
}
"""Returned of a row of the level whether they have a value or not (type R of those tables)."""

_DEFAULT_KEYS = {
    level: frozenset(key_of(keyword) for keyword in keywords)
    for level, keywords in _DEFAULTS.items()
}

_STUDY_ROLLUP = {
    key_of("Modality"): MODALITIES_IN_STUDY,
    key_of("SOPClassUID"): SOP_CLASSES_IN_STUDY,
}
"""Asked of studies, these mean the union over the study."""

_ROLLUP_KEYS = frozenset({MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY})

_WILD_CARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""PS3.4 §C.2.2.2.4: not dates, times, numbers, UIDs, ages."""

_LIST_VRS = frozenset({"CS", "UI"})
"""A comma cannot be part of a value of these."""

_MULTIPLE_VRS = frozenset({"AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"})
"""PS3.4 §C.2.2.2.8."""

_RANGE_VRS = frozenset({"DA", "DT", "TM"})


Bounds = tuple[str | None, str | None]
"""First and last term of a range, None where it is open."""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A search as asked.

    include  tags to return besides the default ones of the level; None for all there are
    ignored  names of parameters that are none
    """

    query: Query
    include: frozenset[str] | None
    ignored: tuple[str, ...] = ()


def default_attributes(level: QueryLevel) -> frozenset[str]:
    """What a row of `level` returns unasked (PS3.18 Tables 10.6.3-3 to 10.6.3-5)."""
    return _DEFAULT_KEYS[level]


def parse_query(
    level: QueryLevel,
    parameters: Sequence[tuple[str, str]],
    *,
    study_uid: str | None = None,
    series_uid: str | None = None,
    attributes: Attributes = STANDARD,
) -> ParsedQuery:
    """The query that decoded name and value pairs ask for. Raises BadQuery.

    study_uid, series_uid  from the path, already checked to be UIDs
    """
    given = tuple(parameters)
    # Worklists ask the same every few seconds.
    short = sum(len(name) + len(value) for name, value in given) <= _REMEMBERED_CHARACTERS
    parse = _remembered if short else _parsed
    return parse(level, given, study_uid, series_uid, attributes)


_REMEMBERED_CHARACTERS = 1000


def _parsed(
    level: QueryLevel,
    parameters: tuple[tuple[str, str], ...],
    study_uid: str | None,
    series_uid: str | None,
    attributes: Attributes,
) -> ParsedQuery:
    asked = _Parameters()
    keys: dict[str, _Key] = {}
    ignored: list[str] = []
    for name, value in parameters:
        if name in _PARAMETERS:
            _PARAMETERS[name](asked, value)
            continue
        if not re.match(r"[0-9A-Z]|[a-f][0-9a-fA-F]{7}$", name):
            # PS3.18 §8.3: what is no parameter that is known, nor has the form of a keyword or
            # tag, is passed over.
            ignored.append(name)
            continue
        path = _path(name, name)
        if path in keys:
            raise BadQuery(name, "is given twice")
        keys[path] = _Key(path, name, value)
    conditions = _Conditions(level, asked, attributes, keys).all()
    return ParsedQuery(
        Query(
            level=level,
            conditions=tuple(conditions),
            study_uid=study_uid,
            series_uid=series_uid,
            offset=0 if asked.cursor else asked.offset,
            limit=asked.limit,
            after=asked.cursor,
            count=asked.count,
        ),
        include=None if asked.include_all else frozenset(asked.include),
        ignored=tuple(ignored),
    )


_remembered = lru_cache(maxsize=1000)(_parsed)


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
        self.cursor: str | None = None
        self.count = False

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

    def set_cursor(self, value: str) -> None:
        self.cursor = value

    def set_count(self, value: str) -> None:
        self.count = _flag("count", value)

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
    # Not of the standard: where a page before ended, and whether to count whatever it costs.
    "cursor": _Parameters.set_cursor,
    "count": _Parameters.set_count,
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
        try:
            keys.append(key_named(part))
        except KeyError:
            raise BadQuery(
                parameter, f"{part!r} is neither a keyword of PS3.6 nor a tag of 8 hex digits"
            ) from None
    return ".".join(keys)


@dataclass(frozen=True, slots=True)
class _Key:
    """A matching key as it was asked for: `path` is tags, `name` what the client called it."""

    path: str
    name: str
    value: str


_CREATOR = re.compile(r"[0-9A-F]{3}[13579BDF]00[1-9A-F][0-9A-F]")
_PRIVATE = re.compile(r"[0-9A-F]{3}[13579BDF][1-9A-F][0-9A-F]{3}")


class _Conditions:
    """The conditions that the keys of one query come to."""

    def __init__(
        self,
        level: QueryLevel,
        asked: _Parameters,
        attributes: Attributes,
        keys: Mapping[str, _Key],
    ) -> None:
        self._level = level
        self._asked = asked
        self._attributes = attributes
        self._keys = dict(keys)
        self._zone = self._zone_asked()
        self._creators = {
            path: key.value.strip()
            for path, key in keys.items()
            if _CREATOR.fullmatch(path) and key.value.strip()
        }

    def all(self) -> list[Condition]:
        found: list[Condition] = []
        for level in _ORDER:
            for date, time in MOMENTS[level]:
                if date in self._keys or time in self._keys:
                    found += self._moments(level, date, time)
        sequences: dict[str, list[_Key]] = {}
        for path, key in self._keys.items():
            if _CREATOR.fullmatch(path):
                continue
            if "." in path:
                sequences.setdefault(path.split(".")[0], []).append(key)
            elif _PRIVATE.fullmatch(path):
                found += self._private(key)
            else:
                at, tag = self._placed(key)
                found += self._single(at, tag, self._vr_of(tag, key), key)
        for sequence, keys in sequences.items():
            at, _ = self._placed(keys[0])
            found += self._items(at, sequence, [(key.path.split(".")[1:], key) for key in keys])
        return found

    def _zone_asked(self) -> int | None:
        """PS3.4 §C.2.2.2.5: "If Timezone Offset From UTC (0008,0201) is present in the query
        identifier, the specified time values ... are in the specified timezone"."""
        key = self._keys.pop(TIMEZONE, None)
        if key is None or not key.value.strip(" *"):
            return None
        # In a query a plus that was not escaped is a blank.
        text = key.value if key.value[:1] in "+-" else "+" + key.value.lstrip()
        zone = offset_minutes(text)
        if zone is None:
            raise BadQuery(key.name, f"{key.value!r} is no offset such as +0800 or -0330")
        return zone

    def _placed(self, key: _Key) -> tuple[QueryLevel, str]:
        """The level a key is of, and the attribute that is compared."""
        tag = key.path.split(".")[0]
        if self._level is QueryLevel.STUDY:
            tag = _STUDY_ROLLUP.get(tag, tag)
        at = QueryLevel.STUDY if tag in _ROLLUP_KEYS else self._attributes.level_of.get(tag)
        if at is None:
            raise BadQuery(key.name, "cannot be searched for here")
        self._check_level(at, key)
        return at, tag

    def _check_level(self, at: QueryLevel, key: _Key) -> None:
        if _ORDER.index(at) > _ORDER.index(self._level):
            raise BadQuery(
                key.name,
                f"is an attribute of the {at.value}, this is a search for {self._level.value} rows",
            )

    def _vr_of(self, tag: str, key: _Key) -> str:
        vr = vr_of(tag)
        if vr == "SQ" and not (self._asked.empty_values and key.value == '""'):
            raise BadQuery(key.name, "is a sequence: name the attribute in it, after a dot")
        return vr

    def _private(self, key: _Key) -> list[Condition]:
        """PS3.5 §7.8.1: a private attribute is known by its creator, wherever its block is."""
        group, block, element = key.path[:4], key.path[4:6], int(key.path[6:], 16)
        creator = self._creators.get(f"{group}00{block}")
        known: list[tuple[QueryLevel, PrivateAttribute]] = [
            (at, each)
            for at, some in self._attributes.private.items()
            for each in some
            if (each.group, each.element) == (int(group, 16), element)
            and creator in (None, each.creator)
        ]
        if not known:
            raise BadQuery(key.name, "cannot be searched for here")
        if len(known) > 1:
            names = ", ".join(each.creator for _, each in known)
            raise BadQuery(key.name, f"is one of {names}: say {group}00{block}=CREATOR too")
        at, attribute = known[0]
        self._check_level(at, key)
        return self._single(at, attribute.term, attribute.vr, key)

    def _items(
        self, at: QueryLevel, sequence: str, keys: list[tuple[list[str], _Key]]
    ) -> list[Condition]:
        """PS3.4 §C.2.2.2.6: all keys of a sequence must match in one and the same item."""
        conditions: list[Condition] = []
        deeper: dict[str, list[tuple[list[str], _Key]]] = {}
        for (tag, *rest), key in keys:
            if rest:
                deeper.setdefault(tag, []).append((rest, key))
            else:
                conditions += self._single(at, tag, self._vr_of(tag, key), key)
        for tag, some in deeper.items():
            conditions += self._items(at, tag, some)
        return [SameItem(at, sequence, tuple(conditions))] if conditions else []

    def _single(self, at: QueryLevel, tag: str, vr: str, key: _Key) -> list[Condition]:
        """One key with one value, as its VR is matched."""
        name, value = key.name, key.value
        if self._asked.empty_values and value == '""':
            return [Empty(at, tag)]
        value = value.strip(" ")
        if value.strip("*") == "":
            return []
        if vr == "PN":
            return self._named(at, tag, key)
        if vr == "DT":
            return [self._date_time(at, tag, name, value)]
        if vr in _RANGE_VRS and "-" in value:
            return [_range(at, tag, name, vr, value)]
        values = [value]
        if self._asked.multiple_values and vr in _MULTIPLE_VRS and "\\" in value:
            # PS3.4 §C.2.2.2.8: "each and every value in the Key Attribute matches a value in the
            # corresponding Attribute", which "shall not include wild cards".
            every = [part.strip() for part in value.split("\\") if part.strip()]
            if vr in _WILD_CARD_VRS and any(wild in value for wild in "*?"):
                raise BadQuery(name, "asks for several values, which cannot hold wild cards")
            return [OneOf(at, tag, (_term(vr, each),)) for each in every]
        if vr in _LIST_VRS:
            values = [part.strip() for part in re.split(r"[,\\]", value) if part.strip()]
        if len(values) == 1:
            _check(name, vr, values[0])
            return [_one(at, tag, vr, values[0])]
        if vr in _WILD_CARD_VRS and any(wild in value for wild in "*?"):
            raise BadQuery(name, "asks for several values, which cannot hold wild cards")
        for each in values:
            _check(name, vr, each)
        return [OneOf(at, tag, tuple(_term(vr, each) for each in values))]

    def _named(self, at: QueryLevel, tag: str, key: _Key) -> list[Condition]:
        """A name: literally, folded; and as it sounds when that is asked for (PS3.18 §8.3.4.2:
        "additional fuzzy semantic matching")."""
        value = key.value.strip(" ")
        names = [value]
        if self._asked.multiple_values and "\\" in value:
            names = [name for name in value.split("\\") if name]
            if any(wild in value for wild in "*?"):
                raise BadQuery(key.name, "asks for several values, which cannot hold wild cards")
        found: list[Condition] = []
        for name in names:
            # Groups of a name are stored as values of their own: each asked for must be there.
            groups = [group for group in name.split("=") if fold(group)]
            literal = tuple(_one(at, tag, "PN", group) for group in groups)
            sounding = tuple(_sounding(at, tag + SOUNDS, name)) if self._asked.fuzzy else ()
            if sounding:
                found.append(AnyOf(at, (literal, sounding) if literal else (sounding,)))
            else:
                found += literal
        return found

    # Dates and times

    def _moments(self, level: QueryLevel, date: str, time: str) -> list[Condition]:
        """What a date and a time that belong together come to; both keys are then dealt with,
        unless each is matched by itself."""
        date_key, time_key = self._keys.get(date), self._keys.get(time)
        days = self._bounds(date_key, "DA")
        hours = self._bounds(time_key, "TM")
        for key in (date_key, time_key):
            if key is not None:
                self._placed(key)
        ranged = any(key is not None and "-" in key.value for key in (date_key, time_key))
        if self._zone is None and not (days and hours and ranged):
            return []
        if days is None and hours is None:
            return []
        if days is not None and hours is not None and not self._one_range(date_key, time_key):
            if self._zone is None:
                return []
            raise BadQuery(TIMEZONE, "needs a date and a time that are both ranges or neither")
        if days is not None:
            asked = self._between_moments(level, date, days, hours or (None, None))
            for path in (date, time):
                if self._bounds(self._keys.get(path), "DA" if path == date else "TM"):
                    del self._keys[path]
            return asked
        assert hours is not None
        found = self._hours_of_day(level, time, hours)
        del self._keys[time]
        return [found]

    def _bounds(self, key: _Key | None, vr: str) -> Bounds | None:
        """First and last term a date or time key names; None when it asks for nothing that is a
        range or a value."""
        if key is None or not key.value.strip(" *") or key.value == '""':
            return None
        # Together with a date the times of a range may go over midnight.
        return bounds(key.name, vr, key.value.strip(" "), ordered=False)

    @staticmethod
    def _one_range(date: _Key | None, time: _Key | None) -> bool:
        """A range of dates with one time of day names many moments, not one range of them."""
        return date is None or time is None or not ("-" in date.value and "-" not in time.value)

    def _between_moments(
        self,
        level: QueryLevel,
        date: str,
        days: Bounds,
        hours: Bounds,
    ) -> list[Condition]:
        low, high = moment_bounds(self._name_of(date), days, hours)
        # What says no time of day is found by its day.
        untimed = (Empty(level, moment_key(date)), Between(level, date, *days))
        here: tuple[Condition, ...] = (Between(level, moment_key(date), low, high),)
        if self._zone is None:
            return [Between(level, date, *days), AnyOf(level, (here, untimed))]
        there = tuple(bound and shifted(bound, -self._zone) for bound in (low, high))
        # No zone is further from another than 26 hours: two days.
        widened = (
            days[0] and shifted(days[0] + "000000.000000", -2880)[:8],
            days[1] and shifted(days[1] + "000000.000000", 2880)[:8],
        )
        unzoned = Empty(level, utc_key(date))
        return [
            Between(level, date, *widened),
            AnyOf(
                level,
                (
                    (Between(level, utc_key(date), *there),),
                    (unzoned, *here),
                    (unzoned, *untimed),
                ),
            ),
        ]

    def _hours_of_day(self, level: QueryLevel, time: str, hours: Bounds) -> Condition:
        """Times of any day in the zone asked for; as UTC they may go over midnight."""
        assert self._zone is not None
        low, high = hours[0] or "000000.000000", hours[1] or "235959.999999"
        if low > high:
            raise BadQuery(self._name_of(time), "ends before it begins")
        first, last = (shifted("20000102" + each, -self._zone)[8:] for each in (low, high))
        parts = [(first, last)]
        if first > last:
            parts = [(first, "235959.999999"), ("000000.000000", last)]
        return AnyOf(
            level,
            (
                *((Between(level, utc_key(time), *part),) for part in parts),
                (Empty(level, utc_key(time)), Between(level, time, low, high)),
            ),
        )

    def _name_of(self, path: str) -> str:
        return self._keys[path].name if path in self._keys else path

    def _date_time(self, at: QueryLevel, tag: str, name: str, value: str) -> Condition:
        if "-" in value:
            found = _date_time_range(at, tag, name, value)
            if found is not None:
                return found
        _check(name, "DT", value)
        return _one(at, tag, "DT", value)


def _one(at: QueryLevel, tag: str, vr: str, value: str) -> Condition:
    term = _term(vr, value)
    if vr in _WILD_CARD_VRS and ("*" in term or "?" in term):
        return Like(at, tag, term)
    return OneOf(at, tag, (term,))


def _sounding(at: QueryLevel, tag: str, name: str) -> Iterator[Condition]:
    """For each word of the name that one of its keys is there."""
    for keys in fuzzy_words(name):
        whole = OneOf(at, tag, tuple(key for key in keys if not key.endswith("*")))
        if keys[-1].endswith("*"):
            yield AnyOf(at, ((whole,), (Like(at, tag, keys[-1]),)))
        else:
            yield whole


def _term(vr: str, value: str) -> str:
    return fold(value) if vr == "PN" else term_of(vr, value)


def bounds(name: str, vr: str, value: str, *, ordered: bool = True) -> Bounds:
    """First and last term that a date or time (DA, TM) or a range of them names.

    name     what the asker calls the key
    ordered  whether a range that ends before it begins is refused

    Raises BadQuery for what is neither. PS3.4 §C.2.2.2.5.
    """
    if "-" in value:
        found = _range(QueryLevel.STUDY, "", name, vr, value, ordered=ordered)
        return found.low, found.high
    _check(name, vr, value)
    return _term(vr, value), _last(vr, value)


def moment_bounds(name: str, days: Bounds, hours: Bounds) -> Bounds:
    """First and last moment of a range of dates and a range of times, which are one: July 5 to July
    7 and 10 am to 6 pm is the time from 10 am of July 5 to 6 pm of July 7 (PS3.4 §C.2.2.2.5 and
    Table K.6-1).

    Raises BadQuery when it ends before it begins.
    """
    low = days[0] and days[0] + (hours[0] or "000000.000000")
    high = days[1] and days[1] + (hours[1] or "235959.999999")
    if low and high and low > high:
        raise BadQuery(name, "and its time end before they begin")
    return low, high


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
        _check_calendar(name, vr, value)


def _check_calendar(name: str, vr: str, value: str) -> None:
    """Refuses a 31st of February and a 25th hour; a second may be a leap second."""
    digits = re.split(r"[+-]", re.sub(r"[.:]", "", value) if vr != "DT" else value)[0]
    day = {"DA": digits, "DT": digits[:8], "TM": ""}[vr]
    hours = {"DA": "", "DT": digits[8:14], "TM": digits[:6]}[vr]
    try:
        if day:
            datetime.date(int(day[:4]), int(day[4:6] or "1"), int(day[6:8] or "1"))
        if hours:
            datetime.time(int(hours[:2]), int(hours[2:4] or "0"))
            if int(hours[4:6] or "0") > 60:
                raise ValueError(hours)
    except ValueError:
        raise BadQuery(name, f"{value!r} is no date or time of any calendar") from None


def _date_time_range(at: QueryLevel, tag: str, name: str, value: str) -> Between | None:
    """None when the `-` belongs to the time zone of one DT."""
    return None if re.fullmatch(_FORMS["DT"][0], value) else _range(at, tag, name, "DT", value)


def _range(
    at: QueryLevel, tag: str, name: str, vr: str, value: str, *, ordered: bool = True
) -> Between:
    """PS3.4 §C.2.2.2.5."""
    form, sentence = _FORMS[vr]
    found = re.fullmatch(f"(?P<low>{form})?-(?P<high>{form})?", value)
    if found is None or not (found["low"] or found["high"]):
        raise BadQuery(name, f"{value!r} is no range: {sentence}")
    low, high = found["low"], found["high"]
    for end in filter(None, (low, high)):
        _check_calendar(name, vr, end)
    if ordered and low and high and _term(vr, low) > _last(vr, high):
        raise BadQuery(name, f"{value!r} ends before it begins")
    return Between(at, tag, _term(vr, low) if low else None, _last(vr, high) if high else None)


def _last(vr: str, value: str) -> str:
    """The last moment that an upper end names: 1030 is until 10:30:59.999999."""
    if vr == "DA":
        return _term(vr, value)
    if vr == "TM":
        whole, _, fraction = value.replace(":", "").partition(".")
        return f"{whole}{'235959'[len(whole) :]}.{fraction:9<6}"
    return value + _AFTER_ANY_DIGIT
