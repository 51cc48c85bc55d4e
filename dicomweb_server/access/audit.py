"""The audit: one event per act, append-only, each holding the hash of the one before.

`record` writes within the caller's transaction, so that an act and its event exist together or not
at all (invariant I6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Caller


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    action   "report.sign-initial", "study.view", "account.sign-in", ...
    subject  what it was done to: a report id, a Study Instance UID, a login
    outcome  "success" or "failure"
    detail   what else matters, as JSON values; no images, no report texts
    """

    action: str
    subject: str
    outcome: str = "success"
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(session: Session, caller: Caller, event: Event) -> None:
    """Appends an event to the chain, in the transaction of `session`."""
    raise NotImplementedError
