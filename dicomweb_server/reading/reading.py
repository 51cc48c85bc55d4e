"""The report module of an archive: where reports lie, who asks.

The verbs are functions of the other modules here (`acting`, `working`, `worklists`, ...); each
takes a `Reading` first and asks its caller whether this is allowed. What is refused is written down
as what is done is, in a transaction of its own (`attempted`).
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.access.errors import Denied
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk, open_desk
from dicomweb_server.reading.errors import Refused
from dicomweb_server.records.database import Database, open_database

Result = TypeVar("Result")

WRITERS = frozenset({Act.DRAFT, Act.SIGN, Act.REVIEW, Act.MANAGE_REPORTS})
"""Who sees what is not issued: whoever writes, signs, reviews or answers for reports."""


@dataclass(frozen=True, slots=True)
class Reading:
    archive: Archive
    records: Database
    desk: Desk
    caller: Caller = SYSTEM

    def seen_by(self, caller: Caller) -> "Reading":
        """The same with somebody else who asks."""
        return dataclasses.replace(self, caller=caller)

    @property
    def sees_unissued(self) -> bool:
        """Whether the caller may see texts that are being written, not what was issued alone."""
        return not WRITERS.isdisjoint(self.caller.acts)

    def permit_unissued(self) -> None:
        """Raises Refused for who may read reports and is shown what was issued alone (I11, REP-34:
        members see only issued reports)."""
        if not self.sees_unissued:
            detail = "what is being written is for who writes and reviews: read the issued version"
            raise Refused("not-issued", detail)

    @property
    def person_id(self) -> str:
        """Of who asks. Raises Refused when that is nobody of flesh, or no AI of its own."""
        if not self.caller.person_id:
            raise Refused("person-required", "this is for persons: sign in as one")
        return self.caller.person_id


def open_reading(archive: Archive) -> Reading:
    """The report module of an archive, for a process that has it alone."""
    records = open_database(archive.config.records, directory=archive.directory)
    return Reading(archive, records, open_desk(archive))


def attempted(
    reading: Reading, action: str, subject: str, work: Callable[[Session], Result]
) -> Result:
    """What `work` returns, done in one transaction, which also holds its audit event. What it
    refuses is undone, and the refusal is an event of its own."""
    try:
        return reading.records.writing(work)
    except (Refused, Denied) as error:
        problem = error.name if isinstance(error, Refused) else "denied"
        refused(reading, action, subject, problem)
        raise


def refused(reading: Reading, action: str, subject: str, problem: str) -> None:
    """Writes down that something was refused."""
    event = Event(action, subject, "failure", {"problem": problem})
    reading.records.writing(lambda session: record(session, reading.caller, event))
