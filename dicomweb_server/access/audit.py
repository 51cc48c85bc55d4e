"""The audit: one event per act, append-only, each holding the hash of the one before.

`record` writes within the caller's transaction, so that an act and its event exist together or not
at all (invariant I6). The hash of an event is SHA-256 over the canonical JSON (RFC 8785) of all its
columns and of the hash before; `audit_head` says where the chain ends, under an HMAC whose key lies
beside the database and not in it. So `verify` notices an event that was changed, taken out, put in
or cut off the end, unless by somebody who has the key too. Nothing deletes events: what happened
half a year ago and before is there (SEC-05: at least 184 days), whatever is configured.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Caller
from dicomweb_server.access.tables import AuditHeadRow, AuditRow
from dicomweb_server.logs import escaped
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now, rfc3339
from dicomweb_server.records.secret import Secret

FIRST = "0" * 64
"""What the first event holds for the hash before it."""

_PURPOSE = "audit head"
_EVENTS = AuditRow.metadata.tables[AuditRow.__tablename__]
_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    action   "report.sign-initial", "study.view", "account.sign-in", ...
    subject  what it was done to: a report id, a Study Instance UID, a login
    outcome  "success" or "failure"
    detail   what else matters, as JSON values; no images, no report texts
    at       RFC 3339, when it happened; empty: now
    """

    action: str
    subject: str
    outcome: str = "success"
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found.

    checked    events that were looked at
    first_bad  number of the first event that is wrong or missing; None when all is whole
    reason     what is wrong with it
    """

    checked: int
    first_bad: int | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.first_bad is None


def record(session: Session, caller: Caller, event: Event) -> None:
    """Appends an event to the chain, in the transaction of `session` (of `Database.write`)."""
    record_all(session, [(caller, event)])


def record_all(session: Session, events: Iterable[tuple[Caller, Event]]) -> None:
    """Appends events in their order: the head's MAC is made once, the rows by one statement."""
    secret: Secret = session.info["secret"]
    head = session.get(AuditHeadRow, 1)
    if head is None:
        head = AuditHeadRow(id=1, seq=0, hash=FIRST, mac="")
        session.add(head)
    seq, last = head.seq, head.hash
    rows: list[dict[str, str | int]] = []
    for caller, event in events:
        seq += 1
        row: dict[str, str | int] = {
            "seq": seq,
            "at": event.at or rfc3339(now()),
            "actor": _storable(caller.name)[:200],
            "person_id": caller.person_id,
            "account_id": caller.account_id,
            "session_id": _storable(caller.session_id)[:80],
            "address": caller.address[:64],
            "action": event.action[:60],
            "subject": _storable(event.subject)[:400],
            "outcome": event.outcome,
            "detail": _canonical(event.detail),
        }
        last = row["hash"] = _hash(row, last)
        rows.append(row)
    if rows:
        # Into the table, and not of the class: a third of the time less.
        session.execute(sa.insert(_EVENTS), rows)
        head.seq, head.hash, head.mac = seq, last, _mac(secret, seq, last)


def verify(database: Database) -> Verdict:
    """Looks at every event there is, in one snapshot, oldest first."""
    with database.read() as session:
        checked, before = 0, FIRST
        while True:
            page = session.scalars(
                sa.select(AuditRow)
                .where(AuditRow.seq > checked)
                .order_by(AuditRow.seq)
                .limit(_PAGE)
            ).all()
            for row in page:
                if row.seq != checked + 1:
                    return Verdict(checked, checked + 1, "is missing")
                if row.hash != _hash(_columns(row), before):
                    return Verdict(checked, row.seq, "is not what was recorded")
                checked, before = row.seq, row.hash
            if len(page) < _PAGE:
                break
            session.expunge_all()
        head = session.get(AuditHeadRow, 1)
        if head is None:
            if checked:
                return Verdict(checked, checked + 1, "may be missing: the end of the chain is gone")
            return Verdict(0)
        if not hmac.compare_digest(head.mac, _mac(database.secret, head.seq, head.hash)):
            return Verdict(
                checked,
                checked + 1,
                "may be missing: the end of the chain is not as this installation's secret made it",
            )
        if head.seq > checked:
            return Verdict(checked, checked + 1, f"is missing, and all after it up to {head.seq}")
        if head.seq < checked:
            return Verdict(checked, head.seq + 1, f"is beyond the end of the chain, {head.seq}")
        if head.hash != before:
            return Verdict(
                checked, checked, "or one before it was changed, and the chain made anew"
            )
        return Verdict(checked)


def _columns(row: AuditRow) -> dict[str, str | int]:
    return {name: getattr(row, name) for name in _HASHED}


_HASHED = tuple(each.key for each in sa.inspect(AuditRow).column_attrs if each.key != "hash")


def _hash(row: Mapping[str, str | int], before: str) -> str:
    """Of all columns but the hash itself. Names of ASCII, texts and small numbers: orjson writes
    these as RFC 8785 does, in a thirtieth of the time."""
    hashed = {**row, "previous": before}
    return hashlib.sha256(orjson.dumps(hashed, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _mac(secret: Secret, seq: int, hash_: str) -> str:
    return hmac.new(secret.key(_PURPOSE), f"{seq} {hash_}".encode(), hashlib.sha256).hexdigest()


def _canonical(detail: Mapping[str, Any]) -> str:
    """What cannot be written so (a lone surrogate, a number beyond 2^53) is as Python shows it:
    whatever somebody has asked for, it is in the audit."""
    try:
        if all(type(value) is str and name.isascii() for name, value in detail.items()):
            return orjson.dumps(dict(detail), option=orjson.OPT_SORT_KEYS).decode()
        return rfc8785.dumps(dict(detail)).decode()
    except (UnicodeError, orjson.JSONEncodeError, rfc8785.CanonicalizationError):
        return rfc8785.dumps({"shown": ascii(dict(detail))}).decode()


def _storable(text: str) -> str:
    """What somebody calls himself, without control characters, which could make it look like two
    events. PostgreSQL's texts hold no NUL either and, as UTF-8, no lone surrogate. `detail` has
    neither: JSON writes them as escapes."""
    return escaped(text).encode("utf-8", "replace").decode()
