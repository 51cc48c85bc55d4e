"""Modality Worklist C-FIND and Modality Performed Procedure Step N-CREATE, N-SET, N-GET as SCP
(PS3.4 §K, §F), over the orders that the archive keeps."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache, partial
from typing import Any

from dicomweb_server.archive import orders
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.orders import Order
from dicomweb_server.dicom.attributes import key_of, term_of
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.json_model import Json, key_text
from dicomweb_server.dicom.matching import Bounds, bounds, moment_bounds
from dicomweb_server.dicom.names import fold, fold_groups
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.dimse import commands, identifiers, status
from dicomweb_server.dimse.association import Message
from dicomweb_server.dimse.find import answer, days_there_are, matching_text
from dicomweb_server.dimse.session import Session
from storage.errors import Conflict, NotFound

STEPS = "00400100"
_START = ("00400002", "00400003")
"""Scheduled Procedure Step Start Date and Time."""

_SCHEDULED, _STUDY_UID = "00400270", "0020000D"
_BEGINNING = tuple(
    key_of(keyword)
    for keyword in (
        "Modality",
        "PerformedStationAETitle",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepStatus",
        "PerformedProcedureStepID",
        "ScheduledStepAttributesSequence",
    )
)
"""What a step that begins has a value of: the attributes of type 1 (PS3.4 Table F.7.2-1), beside
the Study Instance UID in each item of the last."""

_NEVER_MATCHED = frozenset({"00080005", "00080201"})

PAGE = 500
"""Orders that are read at a time."""

_Test = Callable[[Json], bool]
"""Whether an item is one that was asked for."""


def handle_find(session: Session, message: Message) -> None:
    """Answers with the open orders that match."""
    try:
        identifier = identifiers.read(
            message.data_set(),
            transfer_syntax_uid=message.context.transfer_syntax,
            charset=session.peer.charset,
        )
        asked = Asked(identifier)
    except DicomError as error:
        session.association.respond(message, status.of_error(error), comment=str(error))
        return
    answer(session, message, asked.rows(session.desk), unsupported=asked.unsupported)


class Asked:
    """What an identifier asks of the worklist: all keys with a value must match, by single value,
    list of UIDs, range, wild card, sequence (PS3.4 §C.2.2.2).

    unsupported  a key has a value to match that no order has, and is only returned
    """

    def __init__(self, identifier: Json) -> None:
        """Raises BadQuery for a date or time that is none."""
        self._identifier = identifier
        self.unsupported = False
        self._tests = list(self._tests_of(identifier, orders.worklist_keys()))

    def rows(self, desk: Desk) -> Iterator[Json]:
        """The matches as they are answered, with the keys that were asked for."""
        for order in self.candidates(desk):
            item = orders.worklist_item(order)
            if all(test(item) for test in self._tests):
                yield returned(item, self._identifier)

    def candidates(self, desk: Desk) -> Iterator[Order]:
        """The open orders of the station and days asked for, in order."""
        asked = orders.first_item(self._identifier, STEPS)
        station = matching_text(asked["00400001"]) if "00400001" in asked else ""
        date = asked.get(_START[0])
        since, until = (
            (None, None) if date is None or not _has_value(date) else _bounds(_START[0], "DA", date)
        )
        after: Order | None = None
        while page := orders.find(
            desk,
            states=orders.OPEN,
            station="" if _is_wild(station) else station.strip(),
            since=since or "",
            until=until or "",
            after=after,
            limit=PAGE,
        ):
            yield from page
            after = page[-1]

    def _tests_of(self, asked: Json, known: Json) -> Iterator[_Test]:
        """What an item must pass.

        known  an item with every attribute that there can be
        """
        together = (
            _START if all(key in known and _is_range(asked.get(key)) for key in _START) else ()
        )
        if together:
            yield _between_moments(asked)
        for key, element in asked.items():
            if key in _NEVER_MATCHED or key in together or not _has_value(element):
                continue
            vr = known.get(key, {}).get("vr")
            if vr is None or (vr == "SQ") != (element["vr"] == "SQ") or "InlineBinary" in element:
                # An optional key that is not supported matches everything (PS3.4 §C.2.2.1.3).
                self.unsupported = True
            elif vr == "SQ":
                inner = orders.first_item(asked, key)
                tests = list(self._tests_of(inner, orders.first_item(known, key)))
                if tests:
                    yield partial(_holds_one, key=key, tests=tests)
            elif vr in ("DA", "TM"):
                ends = _bounds(key, vr, element)
                if not _is_range(element):
                    ends = (ends[0], ends[0])
                yield partial(_is_within, keys=(key,), ends=ends)
            else:
                text = matching_text(element)
                yield partial(_has_text, key=key, vr=vr, text=text)


def _has_value(element: Mapping[str, Any]) -> bool:
    if element["vr"] == "SQ":
        return any(_has_value(e) for item in element.get("Value") or () for e in item.values())
    return "InlineBinary" in element or bool(matching_text(element).strip("* "))


def _is_range(element: Mapping[str, Any] | None) -> bool:
    return element is not None and "-" in matching_text(element)


def _bounds(key: str, vr: str, element: Mapping[str, Any], *, ordered: bool = True) -> Bounds:
    text = matching_text(element).strip()
    if vr == "DA" and "-" in text:
        text = days_there_are(text)
    return bounds(key_text(key), vr, text, ordered=ordered)


def _between_moments(asked: Json) -> _Test:
    """PS3.4 Table K.6-1: a range of dates and a range of times are one period."""
    date, time = _START
    days = _bounds(date, "DA", asked[date])
    hours = _bounds(time, "TM", asked[time], ordered=False)
    return partial(_is_within, keys=_START, ends=moment_bounds(key_text(date), days, hours))


def _holds_one(item: Json, *, key: str, tests: Sequence[_Test]) -> bool:
    """Whether one item of a sequence passes all tests (PS3.4 §C.2.2.2.6)."""
    return any(all(test(each) for test in tests) for each in item[key].get("Value") or ())


def _is_within(item: Json, *, keys: Sequence[str], ends: Bounds) -> bool:
    """Whether a date, a time, or a date and its time together, are in a range."""
    if any(not item[key].get("Value") for key in keys):
        return False
    moment = "".join(term_of(item[key]["vr"], item[key]["Value"][0]) for key in keys)
    return (ends[0] or "") <= moment and (ends[1] is None or moment <= ends[1])


def _has_text(item: Json, *, key: str, vr: str, text: str) -> bool:
    values = item[key].get("Value") or ()
    if vr == "PN":
        found = [term for name in values for term in fold_groups(name.values())]
        return all(_fits(found, fold(group)) for group in text.split("=") if group)
    found = [term_of(vr, value) for value in values]
    if vr == "UI":
        return any(value in found for value in text.split("\\"))
    return _fits(found, term_of(vr, text))


def _fits(found: list[str], pattern: str) -> bool:
    if not _is_wild(pattern):
        return pattern in found
    return any(_expression(pattern).match(value) for value in found)


def _is_wild(text: str) -> bool:
    return "*" in text or "?" in text


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    # In DICOM a bracket is a character like any other.
    return re.compile(translate(pattern.replace("[", "[[]")))


def returned(item: Mapping[str, Any], identifier: Mapping[str, Any]) -> Json:
    """The attributes that were asked for; of a sequence those that its item names, or all."""
    row: Json = {}
    for key, asked in identifier.items():
        if key == "00080005":
            continue
        stored = item.get(key, {"vr": asked["vr"]})
        wanted = orders.first_item(identifier, key) if asked["vr"] == "SQ" else {}
        if wanted and stored.get("Value"):
            row[key] = {"vr": "SQ", "Value": [returned(one, wanted) for one in stored["Value"]]}
        else:
            row[key] = stored
    return row


def handle_create(session: Session, message: Message) -> None:
    """N-CREATE: a performed step begins."""
    instance_uid = commands.text(message.command, commands.AFFECTED_INSTANCE)
    respond = session.association.respond
    if not instance_uid:
        # PS3.7 §10.1.5.1.4 would have us make one; MPPS wants it of the SCU (PS3.4 §F.7.2.1).
        respond(message, status.MISSING_ATTRIBUTE, comment="no Affected SOP Instance UID")
        return
    if not is_uid(instance_uid):
        respond(message, status.INVALID_INSTANCE, comment=f"'{instance_uid}' is no UID")
        return
    try:
        document = _attributes(session, message)
        if missing := _missing(document):
            # Attributes that are not there before those that have no value: a status is of one.
            absent = [key for key, is_there in missing.items() if not is_there]
            _respond_of(
                session,
                message,
                status.MISSING_ATTRIBUTE if absent else status.MISSING_VALUE,
                absent or list(missing),
                comment="without a value: " if not absent else "missing: ",
            )
            return
        orders.begin_step(session.desk, instance_uid, document, sender=session.sender)
    except Conflict as error:
        respond(message, status.DUPLICATE_INSTANCE, comment=str(error))
    except DicomError as error:
        respond(message, status.INVALID_VALUE, comment=str(error))
    else:
        respond(message, status.SUCCESS)


def handle_set(session: Session, message: Message) -> None:
    """N-SET: a performed step goes on or ends."""
    instance_uid = commands.text(message.command, commands.REQUESTED_INSTANCE)
    respond = session.association.respond
    try:
        kept = orders.change_step(session.desk, instance_uid, _attributes(session, message))
    except NotFound as error:
        respond(message, status.NO_SUCH_INSTANCE, comment=str(error))
    except orders.StepEnded as error:
        # PS3.4 Table F.7.2-2: "Performed Procedure Step Object may no longer be updated".
        respond(
            message,
            status.PROCESSING_FAILURE,
            comment=str(error),
            more={commands.ERROR_ID: 0xA710},
        )
    except DicomError as error:
        respond(message, status.INVALID_VALUE, comment=str(error))
    else:
        if kept:
            _respond_of(
                session, message, status.ATTRIBUTE_LIST_ERROR, kept, comment="not changed: "
            )
            return
        respond(message, status.SUCCESS)


def handle_get(session: Session, message: Message) -> None:
    """N-GET: a performed step as it is now, or the attributes of it that were asked for."""
    instance_uid = commands.text(message.command, commands.REQUESTED_INSTANCE)
    try:
        step = orders.step(session.desk, instance_uid)
    except NotFound as error:
        session.association.respond(message, status.NO_SUCH_INSTANCE, comment=str(error))
        return
    listed = commands.text(message.command, commands.ATTRIBUTE_LIST)
    asked = listed.split("\\") if listed else list(step)
    written = identifiers.write(
        {key: step[key] for key in asked if key in step},
        transfer_syntax_uid=message.context.transfer_syntax,
        charset=session.peer.charset,
    )
    lacking = [key for key in asked if key not in step]
    if lacking:
        _respond_of(
            session,
            message,
            status.ATTRIBUTE_LIST_ERROR,
            lacking,
            comment="the step has no ",
            data_set=written,
        )
        return
    session.association.respond(message, status.SUCCESS, written)


def _missing(document: Json) -> dict[str, bool]:
    """Attributes that a step begins with and that have no value here, and whether they are there;
    in the order of their tags, the one within a sequence last."""
    missing = {
        key: key in document
        for key in _BEGINNING
        if not (orders.items(document, key) or orders.first(document, key).strip())
    }
    for item in orders.items(document, _SCHEDULED):
        if not orders.first(item, _STUDY_UID).strip():
            missing[_STUDY_UID] = missing.get(_STUDY_UID, True) and _STUDY_UID in item
    return missing


def _respond_of(
    session: Session,
    message: Message,
    code: int,
    keys: Sequence[str],
    *,
    comment: str,
    data_set: bytes | None = None,
) -> None:
    """Answers with a status that is about these attributes, by name and as the list of PS3.7 §C;
    a comment has room for the first."""
    session.association.respond(
        message,
        code,
        data_set,
        comment=comment + ", ".join(map(key_text, keys)),
        more={commands.ATTRIBUTE_LIST: "\\".join(keys)},
    )


def _attributes(session: Session, message: Message) -> Json:
    return identifiers.read(
        message.data_set(),
        transfer_syntax_uid=message.context.transfer_syntax,
        charset=session.peer.charset,
    )
