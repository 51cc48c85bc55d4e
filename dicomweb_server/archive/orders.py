"""Orders: examinations that somebody has asked for, from the request to the finished exam.

    scheduled -> in_progress <-> completed | discontinued         cancelled, from scheduled

A modality reads scheduled orders as its worklist, says by performed steps (MPPS) that it has begun
and ended; where none says so, the first instance that arrives begins the exam and quiet ends it.
Whoever is first completes it: `completed_by` says who. An exam may have several steps, at once or
one after the other: while a modality says that it performs, the order is in progress, again too,
unless a person has confirmed it. An order is for one study, whose UID it gives to the modality; of
one that makes a UID of its own the accession number tells whose order it performs.
"""

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.desk import Desk
from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.pinyin import component_groups
from dicomweb_server.dicom.uids import checked_uid
from storage.errors import Conflict, NotFound

SCHEDULED, IN_PROGRESS = "scheduled", "in_progress"
COMPLETED, DISCONTINUED, CANCELLED = "completed", "discontinued", "cancelled"
STATES = (SCHEDULED, IN_PROGRESS, COMPLETED, DISCONTINUED, CANCELLED)
OPEN = (SCHEDULED, IN_PROGRESS)

CONFIRMED = "confirmed"
"""`completed_by` where a person said so."""

PRIORITIES = {"stat": "STAT", "urgent": "HIGH", "routine": "ROUTINE", "low": "LOW"}
"""Ours -> Requested Procedure Priority (0040,1003)."""

PREGNANCIES = {
    "not_pregnant": 1,
    "possibly_pregnant": 2,
    "definitely_pregnant": 3,
    "unknown": 4,
}
"""Ours -> Pregnancy Status (0010,21C0), PS3.3 §C.2.3."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    wish          what was asked for, as `checked` gives it
    completed_by  "mpps", "commitment", "quiet" or who confirmed it; None while it is open
    Times are microseconds since 1970 UTC.
    """

    id: str
    status: str
    wish: Mapping[str, Any]
    created_us: int
    changed_us: int
    started_us: int | None
    completed_us: int | None
    completed_by: str | None

    @property
    def study_uid(self) -> str:
        return str(self.wish["study_uid"])


_FIELDS: Mapping[str, Mapping[str, str]] = {
    "": {
        "accession_number": "SH",
        "study_uid": "UI",
        "priority": "term",
        "referring_physician": "PN",
        "requesting_physician": "PN",
        "requesting_service": "LO",
        "reason": "LO",
    },
    "patient": {
        "id": "LO",
        "name": "PN",
        "birth_date": "DA",
        "sex": "term",
        "size_m": "DS",
        "weight_kg": "DS",
        "pregnancy_status": "term",
        "comments": "LT",
    },
    "procedure": {"id": "SH", "description": "LO", "code": "SH", "scheme": "SH", "meaning": "LO"},
    "step": {
        "id": "SH",
        "station_aet": "AE",
        "station_name": "SH",
        "modality": "CS",
        "start": "DT",
        "description": "LO",
        "performing_physician": "PN",
        "location": "SH",
    },
}
"""Fields of an order and the VRs that they are sent in, DT for a date and a time; a term is one of
_TERMS."""

_TERMS: Mapping[str, Collection[str]] = {
    "priority": PRIORITIES,
    "patient.sex": ("M", "F", "O", ""),
    "patient.pregnancy_status": (*PREGNANCIES, ""),
}

_CHARACTERS = {"SH": 16, "AE": 16, "CS": 16, "DS": 16, "LO": 64, "UI": 64, "LT": 10240}
"""The most that a value of a VR may have (PS3.5 Table 6.2-1); of a name, a component group."""

_FORMS = {
    "AE": (re.compile(r"[ -~]*"), "letters without accents, digits and signs"),
    "CS": (re.compile(r"[A-Z0-9_ ]*"), "capital letters, digits, blank and underscore"),
    "DS": (re.compile(r"([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)?"), "a number"),
}
"""What a value of a VR is made of (PS3.5 Table 6.2-1)."""

_GROUPS = ("alphabetic", "ideographic", "phonetic")
_GROUP_CHARACTERS = 64
_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_START = re.compile(_DAY.pattern + r"(?:[T ]?(\d{2}):?(\d{2})(?::?(\d{2}))?)?", re.ASCII)


def checked(wish: Mapping[str, Any], *, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An order as it is kept: what is missing made up, names with all their component groups.

    before  the order that is changed: what `wish` does not say stays

    Raises Malformed naming the field.
    """
    kept: dict[str, Any] = {
        key: dict(value) if isinstance(value, Mapping) else value
        for key, value in (before or {}).items()
    }
    for key, value in wish.items():
        if key in _FIELDS[""]:
            kept[key] = _value_of(key, value, _FIELDS[""][key])
        elif key in _FIELDS and key:
            if not isinstance(value, Mapping):
                raise Malformed(key, "is no object")
            kept[key] = {**kept.get(key, {}), **_section(key, value)}
        else:
            raise Malformed(key, "is no field of an order")
    patient, step = kept.setdefault("patient", {}), kept.setdefault("step", {})
    procedure = kept.setdefault("procedure", {})
    for where, section, field in (
        ("patient.id", patient, "id"),
        ("patient.name", patient, "name"),
        ("step.station_aet", step, "station_aet"),
        ("step.modality", step, "modality"),
        ("step.start", step, "start"),
    ):
        if not section.get(field):
            raise Malformed(where, "is missing")
    unique = uuid.uuid4().int
    number = f"{unique % 10**12:012d}"
    kept.setdefault("accession_number", number)
    kept.setdefault("study_uid", f"2.25.{unique}")
    kept.setdefault("priority", "routine")
    # Both are of type 1 in the worklist (PS3.4 Table K.6-1): never empty.
    procedure["id"] = procedure.get("id") or kept["accession_number"] or number
    step["id"] = step.get("id") or procedure["id"]
    checked_uid("study_uid", kept["study_uid"])
    return kept


def _section(section: str, value: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, one in value.items():
        where = f"{section}.{field}"
        if where == "patient.name":
            found["name"] = _name(one)
        elif field in _FIELDS[section]:
            found[field] = _value_of(where, one, _FIELDS[section][field])
        else:
            raise Malformed(where, "is no field of an order")
    return found


def _value_of(where: str, value: Any, vr: str) -> str:
    """A text that can be sent as it is: nothing that DICOM does not let be is kept (PS3.5 §6.2)."""
    text = _text(where, value)
    if vr == "term":
        if text not in _TERMS[where]:
            raise Malformed(where, f"'{text}' is none of {', '.join(filter(None, _TERMS[where]))}")
    elif vr == "PN":
        _groups_of(where, text)
    elif vr == "DA":
        if text:
            _checked_moment(where, text, _DAY, "YYYY-MM-DD")
    elif vr == "DT":
        _checked_moment(where, text, _START, "YYYY-MM-DDTHH:MM")
    else:
        if len(text) > _CHARACTERS[vr]:
            raise Malformed(
                where, f"has {len(text)} characters, {_CHARACTERS[vr]} are the most of {vr}"
            )
        form, made_of = _FORMS.get(vr, (None, ""))
        if form is not None and not form.fullmatch(text):
            raise Malformed(where, f"'{text}' is not {made_of}, as {vr} is")
    return text


def _checked_moment(where: str, text: str, form: re.Pattern[str], written: str) -> None:
    found = form.fullmatch(text)
    if found is None:
        raise Malformed(where, f"'{text}' is not {written}")
    digits = "".join(part or "00" for part in found.groups())
    try:
        datetime.strptime(digits.ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError as error:
        raise Malformed(where, f"'{text}' is no day and time there is: {error}") from None


def _name(value: Any) -> dict[str, str]:
    """The component groups of a name; a Chinese one without letters gets them (ING-02)."""
    where = "patient.name"
    if isinstance(value, Mapping) and set(value) <= set(_GROUPS):
        for group, text in value.items():
            if "=" in _text(f"{where}.{group}", text):
                raise Malformed(f"{where}.{group}", "has a '=', which separates component groups")
        value = "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    elif not isinstance(value, str):
        raise Malformed(where, f"is no text and no object of {', '.join(_GROUPS)}")
    name = _groups_of(where, _text(where, value))
    if not name:
        raise Malformed(where, "is missing")
    return name


def _groups_of(where: str, text: str) -> dict[str, str]:
    """The component groups that a name in one text has."""
    groups = component_groups(text)
    if len(groups) > len(_GROUPS):
        raise Malformed(where, f"has {len(groups)} component groups, 3 are the most")
    for group, part in zip(_GROUPS, groups, strict=False):
        if len(part) > _GROUP_CHARACTERS:
            raise Malformed(
                f"{where}.{group}",
                f"has {len(part)} characters, {_GROUP_CHARACTERS} are the most",
            )
        if part.count("^") > 4:
            raise Malformed(f"{where}.{group}", "has more than five components")
    return {group: part for group, part in zip(_GROUPS, groups, strict=False) if part}


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(where, f"{value!r} is no text")
    if "\\" in value or not value.isprintable():
        raise Malformed(where, "holds a backslash or a control character")
    return value.strip()


def _when(start: str) -> str:
    """YYYYMMDDHHMMSS of a local date and time."""
    found = _START.fullmatch(start)
    if found is None:
        raise Malformed("step.start", f"'{start}' is not YYYY-MM-DDTHH:MM")
    return "".join(part or "00" for part in found.groups())


# ---------------------------------------------------------------------------- verbs


def create(desk: Desk, wish: Mapping[str, Any]) -> Order:
    """Raises Malformed, and Conflict when the study has an order already."""
    desk.permit(Act.ORDER)
    kept = checked(wish)
    now = _now()
    order = Order(str(uuid.uuid4()), SCHEDULED, kept, now, now, None, None, None)
    with desk.write() as connection:
        _put(connection, order)
    desk.note_now(Event("order.create", order.id, detail={"study": order.study_uid}))
    return order


def change(desk: Desk, order_id: str, wish: Mapping[str, Any]) -> Order:
    """Changes what `wish` says. Raises NotFound, Malformed, Conflict when the exam is over."""
    desk.permit(Act.ORDER)
    with desk.write() as connection:
        order = _get(connection, order_id)
        if order.status not in OPEN:
            raise Conflict(f"order {order_id}", f"is {order.status}")
        kept = checked(wish, before=order.wish)
        changed = _with(order, wish=kept)
        _put(connection, changed)
    desk.note_now(Event("order.change", order_id, detail={"fields": sorted(wish)}))
    return changed


def cancel(desk: Desk, order_id: str) -> Order:
    """Raises NotFound, and Conflict when the exam has begun."""
    desk.permit(Act.ORDER)
    with desk.write() as connection:
        order = _get(connection, order_id)
        if order.status not in (SCHEDULED, CANCELLED):
            raise Conflict(f"order {order_id}", f"is {order.status} and cannot be cancelled")
        cancelled = _with(order, status=CANCELLED)
        _put(connection, cancelled)
    desk.note_now(Event("order.cancel", order_id))
    return cancelled


def confirm(desk: Desk, order_id: str) -> Order:
    """Somebody says that the exam is complete. Raises NotFound, Conflict when it was cancelled."""
    desk.permit(Act.ORDER)
    with desk.write() as connection:
        order = _get(connection, order_id)
        if order.status not in (*OPEN, COMPLETED):
            raise Conflict(f"order {order_id}", f"is {order.status}")
        ended = _end(connection, order, by=CONFIRMED)
    desk.note_now(Event("order.complete", order_id))
    return ended


def get(desk: Desk, order_id: str) -> Order:
    """Raises NotFound."""
    desk.permit(Act.SEARCH)
    return _one(desk.read("SELECT * FROM orders WHERE id = ?", order_id), order_id)


def find(
    desk: Desk,
    *,
    states: Sequence[str] = (),
    station: str = "",
    modality: str = "",
    accession: str = "",
    patient_id: str = "",
    study_uid: str = "",
    since: str = "",
    until: str = "",
    after: Order | None = None,
    limit: int = 1000,
) -> list[Order]:
    """Orders that fit all that is given, by scheduled time, behind `after`. since and until are
    YYYYMMDD."""
    desk.permit(Act.SEARCH)
    clauses, values = ["1"], list[object]()
    if states:
        clauses.append(f"status IN ({', '.join('?' * len(states))})")
        values += states
    for column, value in (
        ("station", station),
        ("modality", modality),
        ("accession", accession),
        ("patient_id", patient_id),
        ("study_uid", study_uid),
    ):
        if value:
            clauses.append(f"{column} = ?")
            values.append(value)
    if since:
        clauses.append("scheduled >= ?")
        values.append(since)
    if until:
        clauses.append("scheduled <= ?")
        values.append(until + "~")
    if after is not None:
        clauses.append("(scheduled, id) > (?, ?)")
        values += (_when(after.wish["step"]["start"]), after.id)
    rows = desk.read(
        f"SELECT * FROM orders WHERE {' AND '.join(clauses)} ORDER BY scheduled, id LIMIT ?",
        *values,
        limit,
    )
    return [_order(row) for row in rows]


def begin(connection: sqlite3.Connection, *, study_uid: str, accession: str) -> Order | None:
    """The exam of an order has begun: the order, None when nobody ordered it."""
    order = _belonging(connection, study_uid=study_uid, accession=accession)
    if order is not None and order.status == SCHEDULED:
        order = _put_state(connection, order, status=IN_PROGRESS)
    return order


def end_unless_performing(
    connection: sqlite3.Connection, *, study_uid: str, accession: str, by: str
) -> None:
    """The exam of a study has ended as far as one can see, unless a modality says that it still
    performs."""
    order = _belonging(connection, study_uid=study_uid, accession=accession)
    if order is not None and "IN PROGRESS" not in _statuses_of_steps(
        connection, order, study_uid=study_uid
    ):
        _end(connection, order, by=by)


def _end(connection: sqlite3.Connection, order: Order, *, by: str) -> Order:
    """The exam of an order is complete. An order that had ended already stays as it is: it is
    completed once."""
    if order.status not in OPEN:
        return order
    return _put_state(connection, order, status=COMPLETED, by=by)


@dataclass(frozen=True, slots=True)
class Said:
    """What orders and modalities say of many studies, read at once.

    by_study      Study Instance UID -> status and completed_by of its order
    by_accession  the same of the accession numbers that one order has
    performing    studies that a modality says it performs, and not yet that it has ended
    """

    by_study: Mapping[str, tuple[str, str]]
    by_accession: Mapping[str, tuple[str, str]]
    performing: frozenset[str]

    def of(self, study_uid: str, accession: str) -> tuple[str, str] | None:
        """Of a study's order: the one with its UID, else with its accession number."""
        return self.by_study.get(study_uid) or self.by_accession.get(accession)


def said_of(desk: Desk, study_uids: Collection[str], accessions: Collection[str]) -> Said:
    """What is said of those studies, and of orders with those accession numbers."""
    desk.permit(Act.SEARCH)
    studies = json.dumps(list(study_uids))
    ordered = desk.read(
        "SELECT study_uid, status, completed_by FROM orders"
        " WHERE study_uid IN (SELECT value FROM json_each(?))",
        studies,
    )
    numbered = desk.read(
        "SELECT accession, MIN(status) AS status, MIN(completed_by) AS completed_by FROM orders"
        " WHERE accession IN (SELECT value FROM json_each(?))"
        " GROUP BY accession HAVING COUNT(*) = 1",
        json.dumps([each for each in accessions if each]),
    )
    performing = desk.read(
        "SELECT study_uid FROM scheduled_steps JOIN performed_steps USING (instance_uid)"
        " WHERE study_uid IN (SELECT value FROM json_each(?)) AND status = 'IN PROGRESS'",
        studies,
    )
    return Said(
        {row["study_uid"]: (row["status"], row["completed_by"] or "") for row in ordered},
        {row["accession"]: (row["status"], row["completed_by"] or "") for row in numbered},
        frozenset(row["study_uid"] for row in performing),
    )


# ---------------------------------------------------------------------------- performed steps

STEP_STATUS = "00400252"
_SCHEDULED_STEPS = "00400270"
_FIXED = frozenset(
    {
        *("00081120", "00100010", "00100020", "00100021", "00100024", "00100030", "00100040"),
        *("00101002", _SCHEDULED_STEPS),
    }
)
"""Whose step it is, and of which order: said when it begins (PS3.4 Table F.7.2-1, "Not allowed" in
N-SET)."""

_ENDS = ("COMPLETED", "DISCONTINUED")


class StepEnded(Exception):
    """The performed step is COMPLETED or DISCONTINUED and can no longer be changed."""


def begin_step(desk: Desk, instance_uid: str, document: Json, *, sender: str) -> None:
    """A modality has begun (N-CREATE of MPPS, PS3.4 §F.7.2.1).

    Raises Malformed when it is not IN PROGRESS, Conflict when there is such a step already.
    """
    desk.permit(Act.ORDER)
    if (found := first(document, STEP_STATUS)) != "IN PROGRESS":
        raise Malformed("(0040,0252)", f"is '{found}', a step begins IN PROGRESS")
    scheduled = dict.fromkeys(
        (first(item, "0020000D"), first(item, "00080050"))
        for item in items(document, _SCHEDULED_STEPS)
    )
    if not scheduled or not all(study_uid for study_uid, _ in scheduled):
        raise Malformed("(0040,0270)>(0020,000D)", "is missing")
    now = _now()
    with desk.write() as connection:
        try:
            connection.execute(
                "INSERT INTO performed_steps VALUES (?, ?, ?, ?, ?, ?)",
                (instance_uid, "IN PROGRESS", sender, json.dumps(document), now, now),
            )
        except sqlite3.IntegrityError:
            raise Conflict(f"performed step {instance_uid}", "exists already") from None
        connection.executemany(
            "INSERT INTO scheduled_steps VALUES (?, ?, ?, NULL)",
            [(instance_uid, study_uid, accession) for study_uid, accession in scheduled],
        )
        _follow_step(connection, instance_uid)
    desk.note(Event("step.begin", instance_uid, detail={"study": next(iter(scheduled))[0]}))


def change_step(desk: Desk, instance_uid: str, changes: Json) -> list[str]:
    """A modality says more of a step, or that it has ended (N-SET, PS3.4 §F.7.2.2): the attributes
    that it would have otherwise and that stay as they are, for a step keeps its patient and order.

    Raises NotFound, StepEnded, Malformed for a status that is none.
    """
    desk.permit(Act.ORDER)
    status = first(changes, STEP_STATUS)
    if status and status != "IN PROGRESS" and status not in _ENDS:
        raise Malformed("(0040,0252)", f"'{status}' is no status of a performed step")
    with desk.write() as connection:
        row = connection.execute(
            "SELECT * FROM performed_steps WHERE instance_uid = ?", (instance_uid,)
        ).fetchone()
        if row is None:
            raise NotFound("performed step", instance_uid)
        if row["status"] in _ENDS:
            raise StepEnded(f"performed step {instance_uid} is {row['status']}")
        before = json.loads(row["document"])
        kept = [
            key
            for key in _FIXED & changes.keys()
            if changes[key].get("Value") not in (None, before.get(key, {}).get("Value"))
        ]
        document = before | {key: changes[key] for key in changes.keys() - _FIXED}
        connection.execute(
            "UPDATE performed_steps SET status = ?, document = ?, changed_us = ? "
            "WHERE instance_uid = ?",
            (status or row["status"], json.dumps(document), _now(), instance_uid),
        )
        _follow_step(connection, instance_uid)
    if status in _ENDS:
        desk.note(Event("step.end", instance_uid, detail={"status": status}))
    return sorted(kept)


def _follow_step(connection: sqlite3.Connection, instance_uid: str) -> None:
    """A performed step has become what it is: its orders follow. It may be of several, one for each
    scheduled step that it performs (the group case, PS3.4 Table F.7.2-1), and an order may have
    been made since it began."""
    for row in connection.execute(
        "SELECT study_uid, accession, order_id FROM scheduled_steps WHERE instance_uid = ?",
        (instance_uid,),
    ).fetchall():
        if row["order_id"] is not None:
            _follow_steps(connection, _get(connection, row["order_id"]))
            continue
        study_uid, accession = row["study_uid"], row["accession"]
        order = _belonging(connection, study_uid=study_uid, accession=accession)
        if order is not None:
            connection.execute(
                "UPDATE scheduled_steps SET order_id = ? "
                "WHERE instance_uid = ? AND study_uid = ? AND accession = ?",
                (order.id, instance_uid, study_uid, accession),
            )
            _follow_steps(connection, order)


def _follow_steps(connection: sqlite3.Connection, order: Order) -> None:
    """An order is in progress while one of its steps is; when the last has ended it is completed if
    any was, else discontinued. What a person has confirmed or cancelled stays so."""
    if order.status == CANCELLED or order.completed_by == CONFIRMED:
        return
    found = _statuses_of_steps(connection, order, study_uid=order.study_uid)
    if "IN PROGRESS" in found:
        status = IN_PROGRESS
    else:
        status = COMPLETED if "COMPLETED" in found else DISCONTINUED
    if status != order.status:
        _put_state(connection, order, status=status, by=None if status == IN_PROGRESS else "mpps")


def _statuses_of_steps(
    connection: sqlite3.Connection, order: Order, *, study_uid: str
) -> frozenset[str]:
    """Of all performed steps of an order, or of a study that belongs to it."""
    rows = connection.execute(
        "SELECT DISTINCT status FROM scheduled_steps JOIN performed_steps USING (instance_uid) "
        "WHERE order_id = ? OR study_uid = ?",
        (order.id, study_uid),
    )
    return frozenset(row["status"] for row in rows)


def step(desk: Desk, instance_uid: str) -> Json:
    """A performed step as it is now. Raises NotFound."""
    desk.permit(Act.ORDER)
    rows = desk.read("SELECT document FROM performed_steps WHERE instance_uid = ?", instance_uid)
    if not rows:
        raise NotFound("performed step", instance_uid)
    document: Json = json.loads(rows[0]["document"])
    return document


# ---------------------------------------------------------------------------- worklist


def worklist_item(order: Order) -> Json:
    """The order as a modality reads it (PS3.4 Table K.6-1), as DICOM JSON."""
    wish = order.wish
    patient, procedure, step_ = wish["patient"], wish["procedure"], wish["step"]
    start = _when(step_["start"])
    return {
        "00080050": _value("SH", wish["accession_number"]),
        "00080090": _person(wish.get("referring_physician")),
        "00100010": _name_value(patient["name"]),
        "00100020": _value("LO", patient["id"]),
        "00100030": _value("DA", patient.get("birth_date", "").replace("-", "")),
        "00100040": _value("CS", patient.get("sex")),
        "00101020": _value("DS", patient.get("size_m")),
        "00101030": _value("DS", patient.get("weight_kg")),
        "001021C0": _value("US", PREGNANCIES.get(patient.get("pregnancy_status", ""))),
        "00104000": _value("LT", patient.get("comments")),
        "0020000D": _value("UI", wish["study_uid"]),
        "00321032": _person(wish.get("requesting_physician")),
        "00321033": _value("LO", wish.get("requesting_service")),
        "00321060": _value("LO", procedure.get("description")),
        "00321064": _code(procedure),
        "00400100": {
            "vr": "SQ",
            "Value": [
                {
                    "00080060": _value("CS", step_["modality"]),
                    "00400001": _value("AE", step_["station_aet"]),
                    "00400002": _value("DA", start[:8]),
                    "00400003": _value("TM", start[8:]),
                    "00400006": _person(step_.get("performing_physician")),
                    "00400007": _value("LO", step_.get("description")),
                    "00400009": _value("SH", step_["id"]),
                    "00400010": _value("SH", step_.get("station_name")),
                    "00400011": _value("SH", step_.get("location")),
                    "00400020": _value(
                        "CS", "SCHEDULED" if order.status == SCHEDULED else "STARTED"
                    ),
                }
            ],
        },
        "00401001": _value("SH", procedure["id"]),
        "00401002": _value("LO", wish.get("reason")),
        "00401003": _value("SH", PRIORITIES[wish["priority"]]),
        "00402016": _value("LO", order.id[:16]),
    }


@cache
def worklist_keys() -> Json:
    """An item of the worklist with every attribute that an order can have: what can be asked by."""
    wish = {
        "patient": {"id": "1", "name": "A"},
        "procedure": {"code": "1"},
        "step": {"station_aet": "A", "modality": "OT", "start": "20000101"},
    }
    return worklist_item(Order("1", SCHEDULED, checked(wish), 0, 0, None, None, None))


def _value(vr: str, value: str | int | None) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def _person(text: str | None) -> dict[str, Any]:
    return _name_value(dict(zip(_GROUPS, component_groups(text or ""), strict=False)))


def _name_value(name: Mapping[str, str]) -> dict[str, Any]:
    groups = {group.capitalize(): name[group] for group in _GROUPS if name.get(group)}
    return {"vr": "PN", "Value": [groups]} if groups else {"vr": "PN"}


def _code(procedure: Mapping[str, str]) -> dict[str, Any]:
    if not procedure.get("code"):
        return {"vr": "SQ"}
    return {
        "vr": "SQ",
        "Value": [
            {
                "00080100": _value("SH", procedure["code"]),
                "00080102": _value("SH", procedure.get("scheme") or "L"),
                "00080104": _value("LO", procedure.get("meaning")),
            }
        ],
    }


def first(document: Mapping[str, Any], key: str) -> str:
    """The first value of an attribute of DICOM JSON as text, "" when there is none."""
    values = document.get(key, {}).get("Value")
    return str(values[0]) if values and values[0] is not None else ""


def first_item(document: Mapping[str, Any], key: str) -> Json:
    """The first item of a sequence of DICOM JSON, empty when there is none."""
    return next(iter(items(document, key)), {})


def items(document: Mapping[str, Any], key: str) -> list[Json]:
    """The items of a sequence of DICOM JSON, none when what stands there is no sequence."""
    element = document.get(key, {})
    found: list[Json] = element.get("Value", []) if element.get("vr") == "SQ" else []
    return found


# ---------------------------------------------------------------------------- rows


def _now() -> int:
    return time.time_ns() // 1000


def _with(order: Order, **changes: Any) -> Order:
    return replace(order, changed_us=_now(), **changes)


def _put_state(
    connection: sqlite3.Connection, order: Order, *, status: str, by: str | None = None
) -> Order:
    """The order as its exam is now.

    by  who ended it, None when it is in progress
    """
    now = _now()
    order = _with(
        order,
        status=status,
        started_us=order.started_us or now,
        completed_us=None if by is None else now,
        completed_by=by,
    )
    _put(connection, order)
    return order


def _put(connection: sqlite3.Connection, order: Order) -> None:
    wish = order.wish
    try:
        connection.execute(
            "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET status = excluded.status, "
            "accession = excluded.accession, study_uid = excluded.study_uid, "
            "station = excluded.station, modality = excluded.modality, "
            "scheduled = excluded.scheduled, patient_id = excluded.patient_id, "
            "document = excluded.document, changed_us = excluded.changed_us, "
            "started_us = excluded.started_us, completed_us = excluded.completed_us, "
            "completed_by = excluded.completed_by",
            (
                order.id,
                order.status,
                wish["accession_number"],
                wish["study_uid"],
                wish["step"]["station_aet"],
                wish["step"]["modality"],
                _when(wish["step"]["start"]),
                wish["patient"]["id"],
                json.dumps(wish, ensure_ascii=False),
                order.created_us,
                order.changed_us,
                order.started_us,
                order.completed_us,
                order.completed_by,
            ),
        )
    except sqlite3.IntegrityError:
        raise Conflict(f"study {wish['study_uid']}", "has an order already") from None


def _get(connection: sqlite3.Connection, order_id: str) -> Order:
    rows = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchall()
    return _one(rows, order_id)


def _one(rows: Sequence[sqlite3.Row], order_id: str) -> Order:
    if not rows:
        raise NotFound("order", order_id)
    return _order(rows[0])


def _belonging(connection: sqlite3.Connection, *, study_uid: str, accession: str) -> Order | None:
    """The order of a study: by its UID, else by an accession number that one open order has, or
    one order at all."""
    row = connection.execute("SELECT * FROM orders WHERE study_uid = ?", (study_uid,)).fetchone()
    if row is None and accession:
        rows = connection.execute(
            "SELECT * FROM orders WHERE accession = ?", (accession,)
        ).fetchall()
        rows = [each for each in rows if each["status"] in OPEN] or rows
        row = rows[0] if len(rows) == 1 else None
    return _order(row) if row is not None else None


def _order(row: sqlite3.Row) -> Order:
    return Order(
        id=row["id"],
        status=row["status"],
        wish=json.loads(row["document"]),
        created_us=row["created_us"],
        changed_us=row["changed_us"],
        started_us=row["started_us"],
        completed_us=row["completed_us"],
        completed_by=row["completed_by"],
    )
