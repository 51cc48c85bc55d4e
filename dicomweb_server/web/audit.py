"""/api/v1/audit: what happened, searched for and verified (access/audit.py)."""

from dataclasses import fields
from typing import Any

import orjson

from dicomweb_server.access.audit import Event, Verdict, record, verify
from dicomweb_server.access.audit_search import Wanted, events
from dicomweb_server.access.caller import Act
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.orders import reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service

_NUMBERS = ("before", "limit")
_KNOWN = frozenset(each.name for each in fields(Wanted))


async def search(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/audit: newest first; `before` goes on where `next` says."""
    asked: dict[str, Any] = {}
    for name, value in request.query:
        if name not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            raise Problem(400, f"there is no {name[:80]!r} here, only {known}", field=name[:80])
        if name in _NUMBERS:
            if not value.isascii() or not value.isdigit() or len(value) > 18:
                raise Problem(400, f"{name}={value[:80]} is no whole number", field=name)
            asked[name] = int(value)
        else:
            asked[name] = value.replace("\x00", "")
    wanted = Wanted(**asked)

    def find() -> list[AuditRow]:
        service.archive.permit(Act.AUDIT)
        service.doors.journal.flush()
        with service.records.read() as session:
            return events(session, service.caller, wanted)

    found = await service.workers.run(find)
    more = len(found) == wanted.limit and found and found[-1].seq > 1
    return reply(
        200,
        {"events": [_shown(each) for each in found], "next": found[-1].seq if more else None},
    )


async def check(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/audit/verify."""

    def run() -> Verdict:
        service.archive.permit(Act.AUDIT)
        found = verify(service.records)
        with service.records.write() as session:
            outcome = "success" if found.ok else "failure"
            detail = {"checked": found.checked, "first_bad": found.first_bad}
            record(session, service.caller, Event("audit.verify", "", outcome, detail))
        return found

    found = await service.workers.run(run)
    return reply(
        200,
        {
            "ok": found.ok,
            "checked": found.checked,
            "first_bad": found.first_bad,
            "reason": found.reason,
        },
    )


def _shown(row: AuditRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "at": row.at,
        "actor": row.actor,
        "person_id": row.person_id,
        "account_id": row.account_id,
        "session_id": row.session_id,
        "address": row.address,
        "action": row.action,
        "subject": row.subject,
        "outcome": row.outcome,
        "detail": orjson.loads(row.detail),
        "hash": row.hash,
    }
