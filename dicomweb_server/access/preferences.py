"""What a person has set for the pages, and what is set for everybody: hanging protocols, keyboard.

A value is one JSON object a name, whole, which the pages understand and nothing here looks into. It
has a revision, counted from 1; who changes it names the one he has seen, so that of two browsers
neither undoes unseen what the other has done.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.errors import Stale, Unknown
from dicomweb_server.access.tables import PreferenceRow
from dicomweb_server.records.moments import now

NAMES = ("hanging-protocols", "keyboard")
VALUE_BYTES = 64 * 1024

EVERYBODY = ""
"""In the place of a person: what is set for all."""


@dataclass(frozen=True, slots=True)
class Preference:
    """value     JSON; None before it was set for the first time
    revision  how often it was set
    """

    name: str
    value: str | None
    revision: int


def preference(session: Session, caller: Caller, name: str, *, shared: bool) -> Preference:
    """The caller's own, or what is set for everybody. Raises Denied and Unknown."""
    caller.permit(Act.VIEW)
    row = _row(session, caller, name, shared)
    return Preference(name, row.value, row.revision) if row else Preference(name, None, 0)


def set_preference(
    session: Session, caller: Caller, name: str, value: str, *, shared: bool, revision: int
) -> Preference:
    """value     a JSON object, at most some VALUE_BYTES
    revision  the one it is to replace; 0 when there is to be none yet

    What is set for everybody is for who manages templates. Raises Denied, Unknown and Stale.
    """
    caller.permit(Act.TEMPLATES if shared else Act.VIEW)
    row = _row(session, caller, name, shared)
    held = row.revision if row else 0
    if held != revision:
        raise Stale(f"{name} has been set {held} times, revision {revision} is not the present one")
    if row is None:
        row = PreferenceRow(person_id=_owner(caller, shared), name=name)
        session.add(row)
    row.value, row.revision, row.changed_at = value, held + 1, now()
    session.flush()
    detail = {"shared": shared, "revision": row.revision}
    record(session, caller, Event("preferences.change", name, detail=detail))
    return Preference(name, row.value, row.revision)


def _owner(caller: Caller, shared: bool) -> str:
    assert shared or caller.person_id, "preferences of nobody"
    return EVERYBODY if shared else caller.person_id


def _row(session: Session, caller: Caller, name: str, shared: bool) -> PreferenceRow | None:
    if name not in NAMES:
        raise Unknown("preference", name)
    return session.scalar(
        sa.select(PreferenceRow).where(
            PreferenceRow.person_id == _owner(caller, shared), PreferenceRow.name == name
        )
    )
