"""C-FIND as SCP of the Patient Root and Study Root models (PS3.4 §C.4.1, §C.6).

The identifier becomes the query that QIDO-RS would make of it, so both find the same, and rows go
out as the index gives them, page by page: no more is collected, and C-CANCEL is seen between two
pages. Keys may be of any level at once (relational queries, PS3.4 §C.4.1.2.2.1).
"""

import dataclasses
from calendar import monthrange
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.search import Item, search
from dicomweb_server.dicom.attributes import vr_of
from dicomweb_server.dicom.errors import BadQuery, DicomError
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.matching import ParsedQuery, parse_query
from dicomweb_server.dimse import identifiers, status
from dicomweb_server.dimse.association import Message
from dicomweb_server.dimse.session import Session
from dicomweb_server.dimse.sop_classes import MODELS
from storage.model import OneOf, Query, QueryLevel

LEVEL = "00080052"
RETRIEVE_TITLE = "00080054"
PATIENT_ID = "00100020"
_PATIENT_COUNTS = {"00201200": "studies", "00201202": "series", "00201204": "instances"}
_STUDY_COUNTS = ("00201206", "00201208")

_LEVELS = {
    "PATIENT": QueryLevel.STUDY,
    "STUDY": QueryLevel.STUDY,
    "SERIES": QueryLevel.SERIES,
    "IMAGE": QueryLevel.INSTANCE,
}
_ORDER = (QueryLevel.STUDY, QueryLevel.SERIES, QueryLevel.INSTANCE)

# Of a study's attributes, those that are the patient's (PS3.4 Table C.6-1).
_OF_PATIENT = ("0010", "0012")

_NOT_MATCHED = frozenset({LEVEL, RETRIEVE_TITLE, "00080005", "00080056", "00080201"})
"""Keys that say something about the answer, not about what is searched for."""

_ROLLUPS = frozenset({"00080061", "00080062"})
_AT_STUDY = {"00080060": "00080061", "00080016": "00080062"}

PAGE = 500
"""Rows that are asked of the index, and answered in one write, at a time: where another page begins
the search does, too."""

FIRST_ROWS = 32
"""... and answered first, so that a viewer that shows what comes has it soon."""


def handle(session: Session, message: Message) -> None:
    """Answers a C-FIND with a pending response for each match."""
    association = session.association
    try:
        identifier = identifiers.read(
            message.data_set(),
            transfer_syntax_uid=message.context.transfer_syntax,
            charset=session.peer.charset,
        )
        asked = Asked(session.archive, identifier, MODELS[message.context.abstract_syntax].levels)
    except DicomError as error:
        association.respond(message, status.of_error(error), comment=str(error))
        return
    answer(session, message, asked.rows(), unsupported=asked.unsupported)


def answer(session: Session, message: Message, rows: Iterator[Json], *, unsupported: bool) -> None:
    """Pending responses for the rows, then success, or that the peer has cancelled."""
    pending = status.PENDING_WITH_UNSUPPORTED_KEYS if unsupported else status.PENDING
    association = session.association
    respond = association.responder(message, pending)
    count = FIRST_ROWS
    last = False
    while not last and (page := list(islice(rows, count))):
        last = len(page) < count
        # The last page is sooner sent than it is known whether the peer still wants it.
        if not last and association.cancelled(message.message_id):
            association.respond(message, status.CANCEL)
            return
        respond(
            (
                identifiers.write(
                    row,
                    transfer_syntax_uid=message.context.transfer_syntax,
                    charset=session.peer.charset,
                )
                for row in page
            ),
            hold=last,
        )
        count = PAGE
    association.respond(message, status.SUCCESS)


class Asked:
    """What an identifier asks for.

    unsupported  a key has a value to match that cannot be matched here, and is only returned
    """

    def __init__(self, archive: Archive, identifier: Json, levels: tuple[str, ...]) -> None:
        """Raises BadQuery."""
        self.archive = archive
        self.level = text_of(identifier, LEVEL)
        if self.level not in levels:
            raise BadQuery("QueryRetrieveLevel", f"'{self.level}' is none of {', '.join(levels)}")
        self.unsupported = False
        self.keys: Mapping[str, str] = {
            key: element["vr"] for key, element in identifier.items() if key not in _NOT_MATCHED
        }
        self.returned = {**self.keys, **{k: "CS" for k in identifier if k == "00080056"}}
        parameters = list(self._parameters(identifier))
        # QIDO-RS reads a date and a time as one moment; C-FIND does only when that is negotiated
        # (PS3.4 §C.5.1.1), which it is not here. So times are read by themselves.
        conditions = [
            condition
            for part in (
                [each for each in parameters if vr_of(each[0][-8:]) != "TM"],
                *([each] for each in parameters if vr_of(each[0][-8:]) == "TM"),
            )
            for condition in parse_query(
                _LEVELS[self.level], part, attributes=archive.attributes
            ).query.conditions
        ]
        self.parsed = ParsedQuery(
            Query(_LEVELS[self.level], tuple(conditions)),
            include=frozenset(self.returned) | {PATIENT_ID, *_STUDY_COUNTS},
        )

    def _parameters(self, identifier: Json) -> Iterator[tuple[str, str]]:
        for key in self.keys:
            element = identifier[key]
            if element["vr"] == "SQ":
                for item in element.get("Value") or ():
                    for inner, nested in item.items():
                        yield from self._parameter(f"{key}.{inner}", nested)
            else:
                yield from self._parameter(key, element)

    def _parameter(self, path: str, element: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "InlineBinary" in element:
            # Bytes, such as those of a private key, which findscu writes as UN.
            self.unsupported = True
            return
        value = matching_text(element)
        if not value.strip("* "):
            return
        asked = _ORDER.index(_LEVELS[self.level])
        key = path.split(".")[0]
        if asked == 0 and key in _AT_STUDY:
            yield key, value
            return
        at = QueryLevel.STUDY if key in _ROLLUPS else self.archive.attributes.level_of.get(key)
        if at is None or _ORDER.index(at) > asked or element["vr"] == "SQ":
            # An optional key that is not supported matches everything (PS3.4 §C.2.2.1.3).
            self.unsupported = True
            return
        if element["vr"] not in ("UI", "CS") and "\\" in value:
            value = value.split("\\")[0]
        if element["vr"] == "DA" and "-" in value:
            value = days_there_are(value)
        yield path, value

    def rows(self) -> Iterator[Json]:
        """The matches as they are answered, with the keys that were asked for."""
        counts = _PATIENT_COUNTS.keys() & self.keys.keys()
        found = self._patients() if self.level == "PATIENT" else all_rows(self.archive, self.parsed)
        for item in found:
            if counts:
                item |= self._patient_counts(item)
            yield self._answered(item)

    def _patients(self) -> Iterator[Item]:
        seen: set[str] = set()
        for study in all_rows(self.archive, self.parsed):
            # A study without Patient ID is a patient of its own: nothing says whose it is.
            patient = text_of(study, PATIENT_ID) or f"study {text_of(study, '0020000D')}"
            if patient not in seen:
                seen.add(patient)
                yield {k: v for k, v in study.items() if k.startswith(_OF_PATIENT)}

    def _patient_counts(self, item: Item) -> Item:
        term = text_of(item, PATIENT_ID)
        if not term:
            return {}
        query = Query(QueryLevel.STUDY, (OneOf(QueryLevel.STUDY, PATIENT_ID, (term,)),))
        parsed = ParsedQuery(query, include=frozenset(_STUDY_COUNTS))
        studies = list(all_rows(self.archive, parsed))
        series, instances = (
            sum(int(study[key]["Value"][0]) for study in studies) for key in _STUDY_COUNTS
        )
        return {
            "00201200": {"vr": "IS", "Value": [len(studies)]},
            "00201202": {"vr": "IS", "Value": [series]},
            "00201204": {"vr": "IS", "Value": [instances]},
        }

    def _answered(self, item: Item) -> Json:
        row: Json = {key: item.get(key) or {"vr": vr} for key, vr in self.returned.items()}
        row[LEVEL] = {"vr": "CS", "Value": [self.level]}
        row[RETRIEVE_TITLE] = {"vr": "AE", "Value": [self.archive.config.aet]}
        return row


def days_there_are(dates: str) -> str:
    """A range of dates whose ends are the last day of the month for one behind that: workstations
    ask for 20120901-20120931, and mean September."""
    return "-".join(map(_day_there_is, dates.split("-")))


def _day_there_is(date: str) -> str:
    date = date.strip()
    if len(date) != 8 or not date.isdecimal():
        return date
    year, month, day = int(date[:4]), int(date[4:6]), int(date[6:])
    if not (year and 1 <= month <= 12 and 28 < day <= 31):
        return date
    return f"{date[:6]}{min(day, monthrange(year, month)[1]):02}"


def all_rows(archive: Archive, parsed: ParsedQuery) -> Iterator[Item]:
    """Every match, page by page: what is stored or deleted meanwhile neither repeats nor hides
    another."""
    query = dataclasses.replace(parsed.query, limit=PAGE)
    while True:
        page = search(archive, dataclasses.replace(parsed, query=query), defaults=False)
        yield from map(page.item, page.rows)
        if page.next is None:
            return
        query = dataclasses.replace(query, after=page.next)


def text_of(item: Json, key: str) -> str:
    """The first value of an attribute as text, "" when there is none."""
    values = item.get(key, {}).get("Value")
    return str(values[0]) if values and values[0] is not None else ""


def matching_text(element: Mapping[str, Any]) -> str:
    """What a key of an identifier asks for, as one text; a name with its groups joined by `=`."""
    values = element.get("Value") or ()
    if element["vr"] == "PN":
        return "=".join(group for value in values[:1] if value for group in value.values())
    return "\\".join("" if value is None else str(value) for value in values)
