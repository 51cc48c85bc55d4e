"""Persons: who writes, reviews and is asked, with licence, title (职称) and qualification.

The functions take the session of a transaction and who asks; what they change they audit in that
transaction. A person who has left stays: signatures name persons for ever.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act, Caller, Rank
from dicomweb_server.access.errors import Refused, Unknown
from dicomweb_server.access.tables import PersonRow
from dicomweb_server.records.moments import now

KINDS = ("human", "ai")


@dataclass(frozen=True, slots=True)
class Person:
    """modalities       of the qualification; empty for any
    qualified_until  the last day of it; None: it does not end
    """

    person_id: str
    name: str
    rank: Rank
    licence: str = ""
    kind: str = "human"
    modalities: tuple[str, ...] = ()
    qualified_until: date | None = None
    left_at: datetime | None = None

    def is_qualified(self, *, on: date, modality: str = "") -> bool:
        """Whether the person may sign on that day, what is of that modality (REP-33, REP-41)."""
        return (
            self.kind == "human"
            and bool(self.licence)
            and self.left_at is None
            and (self.qualified_until is None or on <= self.qualified_until)
            and (not self.modalities or not modality or modality in self.modalities)
        )


def person(session: Session, person_id: str) -> Person:
    """Raises Unknown."""
    return _person(_row(session, person_id))


def persons(session: Session) -> list[Person]:
    """All of them, by name."""
    rows = session.scalars(sa.select(PersonRow).order_by(PersonRow.name, PersonRow.person_id))
    return [_person(row) for row in rows]


def add_person(
    session: Session,
    caller: Caller,
    *,
    name: str,
    rank: int = 0,
    licence: str = "",
    kind: str = "human",
    modalities: tuple[str, ...] = (),
    qualified_until: date | None = None,
) -> Person:
    """Raises Denied and Refused."""
    caller.permit(Act.ACCOUNTS)
    row = PersonRow(person_id=str(uuid4()), created_at=now(), left_at=None)
    _set(
        row,
        name=name,
        rank=rank,
        licence=licence,
        kind=kind,
        modalities=modalities,
        qualified_until=qualified_until,
    )
    session.add(row)
    session.flush()
    record(session, caller, Event("person.add", row.person_id, detail={"name": name, "rank": rank}))
    return _person(row)


def change_person(session: Session, caller: Caller, person_id: str, **changes: object) -> Person:
    """changes  what Person has, by name; `left` (bool) instead of `left_at`

    Raises Denied, Unknown and Refused.
    """
    caller.permit(Act.ACCOUNTS)
    row = _row(session, person_id)
    before = {name: getattr(row, name, "") for name in changes}
    _set(row, **changes)
    told = {
        name: [_shown(before[name]), _shown(getattr(row, name, value))]
        for name, value in changes.items()
    }
    record(session, caller, Event("person.change", person_id, detail=told))
    return _person(row)


def _set(row: PersonRow, **values: object) -> None:
    for name, value in values.items():
        match name, value:
            case "name", str() if 0 < len(value.strip()) <= 200 and value.isprintable():
                row.name = value.strip()
            case "licence", str() if len(value) <= 64 and value.isprintable():
                row.licence = value.strip()
            case "rank", int() if not isinstance(value, bool) and 0 <= value <= 4:
                row.rank = value
            case "kind", str() if value in KINDS:
                row.kind = value
            case "modalities", tuple() | list() if all(_is_code(each) for each in value):
                row.modalities = ",".join(str(each) for each in value)
            case "qualified_until", date() | None:
                row.qualified_until = value
            case "left", bool():
                row.left_at = (row.left_at or now()) if value else None
            case _:
                raise Refused(name, f"{name} cannot be {str(value)[:80]!r}")
    if row.kind == "ai" and row.rank:
        raise Refused("rank", "an AI has rank 0: it drafts and never signs")


def _is_code(value: object) -> bool:
    """A Code String of PS3.5 §6.2: what Modality has."""
    return isinstance(value, str) and 0 < len(value) <= 16 and value.replace("_", "A").isalnum()


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _row(session: Session, person_id: str) -> PersonRow:
    row = session.get(PersonRow, person_id)
    if row is None:
        raise Unknown("person", person_id)
    return row


def _person(row: PersonRow) -> Person:
    return Person(
        row.person_id,
        row.name,
        Rank(row.rank),
        row.licence,
        row.kind,
        tuple(filter(None, row.modalities.split(","))),
        row.qualified_until,
        row.left_at,
    )
