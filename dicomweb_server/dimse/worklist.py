"""Modality Worklist C-FIND and Modality Performed Procedure Step N-CREATE, N-SET, N-GET as SCP
(PS3.4 §K, §F), over the orders that the archive keeps."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from functools import lru_cache
from typing import Any

from dicomweb_server.archive import orders
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.orders import Order
from dicomweb_server.dicom.attributes import term_of
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.names import fold, fold_groups
from dicomweb_server.dimse import commands, identifiers, status
from dicomweb_server.dimse.association import Message
from dicomweb_server.dimse.find import answer, matching_text
from dicomweb_server.dimse.session import Session
from storage.errors import Conflict, NotFound

STEPS = "00400100"
_NEVER_MATCHED = frozenset({"00080005", "00080201"})


def handle_find(session: Session, message: Message) -> None:
    """Answers with the open orders that match."""
    try:
        identifier = identifiers.read(
            message.data_set(),
            transfer_syntax_uid=message.context.transfer_syntax,
            charset=session.peer.charset,
        )
    except DicomError as error:
        session.association.respond(message, status.of_error(error), comment=str(error))
        return
    answer(session, message, _rows(session, identifier), unsupported=False)


def _rows(session: Session, identifier: Json) -> Iterator[Json]:
    for order in candidates(session.desk, identifier):
        item = orders.worklist_item(order)
        if matches(item, identifier):
            yield returned(item, identifier)


PAGE = 500
"""Orders that are read at a time."""


def candidates(desk: Desk, identifier: Json) -> Iterator[Order]:
    """The open orders of the station and days asked for, in order."""
    asked = orders.first_item(identifier, STEPS)
    station = matching_text(asked["00400001"]) if "00400001" in asked else ""
    date = matching_text(asked["00400002"]) if "00400002" in asked else ""
    low, dash, high = date.partition("-")
    after: Order | None = None
    while page := orders.find(
        desk,
        states=orders.OPEN,
        station="" if _is_wild(station) else station.strip(),
        since=low,
        until=high if dash else low,
        after=after,
        limit=PAGE,
    ):
        yield from page
        after = page[-1]


def matches(item: Mapping[str, Any], identifier: Mapping[str, Any]) -> bool:
    """Whether all keys with a value match: single value, list of UIDs, range, wild card, sequence
    (PS3.4 §C.2.2.2)."""
    return all(
        _matches_one(item.get(key, {}), element)
        for key, element in identifier.items()
        if key not in _NEVER_MATCHED
    )


def _matches_one(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    vr = asked["vr"]
    if vr == "SQ":
        wanted = orders.first_item({"": asked}, "")
        if not any(_has_value(element) for element in wanted.values()):
            return True
        return any(matches(item, wanted) for item in stored.get("Value") or ())
    text = matching_text(asked)
    if not text.strip("* "):
        return True
    values = [value for value in stored.get("Value") or () if value is not None]
    if vr == "PN":
        found = [term for name in values for term in fold_groups(name.values())]
        return all(_fits(found, fold(group)) for group in text.split("=") if group)
    found = [term_of(vr, value) for value in values]
    if vr in ("DA", "TM", "DT") and "-" in text:
        low, _, high = (part.strip() for part in text.partition("-"))
        return any(
            (not low or term_of(vr, low) <= value)
            # A time asked for to the minute includes its last second.
            and (not high or value <= term_of(vr, high) or value.startswith(high))
            for value in found
        )
    if vr == "UI":
        return any(value in found for value in text.split("\\"))
    return _fits(found, term_of(vr, text))


def _has_value(element: Mapping[str, Any]) -> bool:
    if element["vr"] == "SQ":
        return any(_has_value(e) for item in element.get("Value") or () for e in item.values())
    return bool(matching_text(element).strip("* "))


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
    try:
        orders.begin_step(
            session.desk, instance_uid, _attributes(session, message), sender=session.sender
        )
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
        orders.change_step(session.desk, instance_uid, _attributes(session, message))
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
        respond(message, status.SUCCESS)


def handle_get(session: Session, message: Message) -> None:
    """N-GET: a performed step as it is now."""
    instance_uid = commands.text(message.command, commands.REQUESTED_INSTANCE)
    try:
        step = orders.step(session.desk, instance_uid)
    except NotFound as error:
        session.association.respond(message, status.NO_SUCH_INSTANCE, comment=str(error))
        return
    session.association.respond(
        message,
        status.SUCCESS,
        identifiers.write(
            step,
            transfer_syntax_uid=message.context.transfer_syntax,
            charset=session.peer.charset,
        ),
    )


def _attributes(session: Session, message: Message) -> Json:
    return identifiers.read(
        message.data_set(),
        transfer_syntax_uid=message.context.transfer_syntax,
        charset=session.peer.charset,
    )
