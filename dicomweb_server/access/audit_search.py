"""Looking into the audit: events by who, what, to what, how it ended and when, newest first."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.tables import AuditRow

MOST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is empty asks for nothing; `action` ending in `*` is a beginning.

    since, until  RFC 3339 UTC, or the beginning of one: 2026-11-25; until is inclusive
    before        events with smaller numbers
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""
    before: int | None = None
    limit: int = 100


def events(session: Session, caller: Caller, wanted: Wanted) -> list[AuditRow]:
    """At most `limit` or MOST. Raises Denied."""
    caller.permit(Act.AUDIT)
    found = sa.select(AuditRow).order_by(AuditRow.seq.desc()).limit(min(wanted.limit, MOST))
    if wanted.actor:
        found = found.where(AuditRow.actor == wanted.actor)
    if wanted.action.endswith("*"):
        found = found.where(AuditRow.action.startswith(wanted.action[:-1], autoescape=True))
    elif wanted.action:
        found = found.where(AuditRow.action == wanted.action)
    if wanted.subject:
        found = found.where(AuditRow.subject == wanted.subject)
    if wanted.outcome:
        found = found.where(AuditRow.outcome == wanted.outcome)
    if wanted.since:
        found = found.where(AuditRow.at >= wanted.since)
    if wanted.until:
        # Behind everything that begins so: 2026-11-25 is the whole day.
        found = found.where(AuditRow.at <= wanted.until + "~")
    if wanted.before is not None:
        found = found.where(AuditRow.seq < wanted.before)
    return list(session.scalars(found))
