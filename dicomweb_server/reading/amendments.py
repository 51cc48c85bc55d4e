"""Amendment requests: somebody wants an issued report changed (T15), the department decides (T16).
A request changes nothing in the report; a correction or an addendum is opened for it."""

from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act
from dicomweb_server.reading import rows
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.once import Answer, Once, answered
from dicomweb_server.reading.reading import Reading, attempted
from dicomweb_server.reading.shown import moment
from dicomweb_server.reading.staff import names_of
from dicomweb_server.reading.tables import AmendmentRequestRow
from dicomweb_server.records.moments import now

KINDS = ("demographic", "format", "content", "addendum")
DECISIONS = {"accept": "accepted", "decline": "declined"}
TEXT_CHARACTERS = 10_000


def ask(
    reading: Reading, report_id: str, *, kind: str, text: str, once: Once | None = None
) -> Answer:
    """Raises Unknown, Refused, Denied."""
    action = "report.request-amendment"

    def work(session: Session) -> Answer:
        reading.caller.permit(Act.READ_REPORTS)
        return answered(session, reading.caller, once, lambda: asked(session))

    def asked(session: Session) -> Answer:
        report = rows.report_row(session, report_id)
        if kind not in KINDS:
            detail = f"'{kind[:40]}' is none of {', '.join(KINDS)}"
            raise Refused("malformed", detail, field="class")
        if not text.strip():
            raise Refused("missing-field", "say what is to be changed", field="text")
        if len(text) > TEXT_CHARACTERS:
            detail = f"has {len(text)} characters, {TEXT_CHARACTERS} are the most"
            raise Refused("malformed", detail, field="text")
        if not report.current_version:
            raise Refused("wrong-state", "nothing of this report was issued", stage=report.stage)
        row = AmendmentRequestRow(
            request_id=str(uuid4()),
            report_id=report_id,
            kind=kind,
            text=text,
            requester=reading.caller.name[:200],
            requested_by=reading.caller.person_id,
            requested_at=rows.next_moment(report),
            decision="",
            decided_by="",
            decided_at=None,
            reason="",
            used=False,
        )
        session.add(row)
        session.flush()
        detail_ = {"request": row.request_id, "class": kind}
        record(session, reading.caller, Event(action, report_id, detail=detail_))
        return Answer(_documents(session, [row])[0], made=True)

    return attempted(reading, action, report_id, work)


def decide(
    reading: Reading, report_id: str, request_id: str, decision: str, *, reason: str
) -> dict[str, Any]:
    """decision  a key of DECISIONS

    Raises Unknown, Refused, Denied.
    """
    action = f"report.{decision}-amendment"[:60]

    def work(session: Session) -> dict[str, Any]:
        reading.caller.permit(Act.MANAGE_REPORTS)
        if decision not in DECISIONS:
            raise Refused("malformed", f"'{decision[:40]}' is neither accept nor decline")
        row = session.get(AmendmentRequestRow, request_id)
        if row is None or row.report_id != report_id:
            raise Unknown("amendment request", request_id)
        if row.decision:
            raise Refused("wrong-state", f"the request is {row.decision}", decision=row.decision)
        if not reason.strip():
            raise Refused("missing-field", "a reason is needed", field="reason")
        row.decision, row.reason = DECISIONS[decision], reason
        row.decided_by, row.decided_at = reading.caller.person_id, max(now(), row.requested_at)
        session.flush()
        detail = {"request": request_id}
        record(session, reading.caller, Event(action, report_id, detail=detail))
        return _documents(session, [row])[0]

    return attempted(reading, action, report_id, work)


def listed(reading: Reading, report_id: str) -> list[dict[str, Any]]:
    """The requests about a report, oldest first."""
    reading.caller.permit(Act.READ_REPORTS)
    with reading.records.read() as session:
        rows.report_row(session, report_id)
        found = session.scalars(
            sa.select(AmendmentRequestRow)
            .where(AmendmentRequestRow.report_id == report_id)
            .order_by(AmendmentRequestRow.requested_at)
        ).all()
        return _documents(session, list(found))


def _documents(session: Session, found: list[AmendmentRequestRow]) -> list[dict[str, Any]]:
    people = names_of(session, {p for each in found for p in (each.requested_by, each.decided_by)})
    return [
        {
            "request_id": each.request_id,
            "class": each.kind,
            "text": each.text,
            "requester": each.requester,
            "requested_by": people.get(each.requested_by),
            "requested_at": moment(each.requested_at),
            "decision": each.decision or None,
            "decided_by": people.get(each.decided_by),
            "decided_at": moment(each.decided_at),
            "reason": each.reason or None,
            "used": each.used,
        }
        for each in found
    ]
