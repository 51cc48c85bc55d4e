"""Persons as the rules of the workflow see them (state.Reader), from their rows."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.tables import PersonRow, SigningIdentityRow
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.state import Reader


def reader_of(session: Session, caller: Caller, *, at: datetime) -> tuple[Reader, PersonRow]:
    """Who asks, as a person. Raises Refused when there is none, or one who has left."""
    row = session.get(PersonRow, caller.person_id) if caller.person_id else None
    if row is None or row.left_at is not None:
        raise Refused("person-required", "this is for persons who work here: sign in as one")
    return _reader(
        row,
        can_sign=identity_of(session, row.person_id, at=at) is not None,
        manages=Act.MANAGE_REPORTS in caller.acts,
    ), row


def staff(session: Session) -> list[Reader]:
    """Everybody who works here. Whether they could sign technically is not asked: an identity that
    was not enrolled yet does not make somebody else the highest rank."""
    rows = session.scalars(sa.select(PersonRow).where(PersonRow.left_at.is_(None)))
    return [_reader(row, can_sign=True, manages=False) for row in rows]


def identity_of(session: Session, person_id: str, *, at: datetime) -> SigningIdentityRow | None:
    """What a person signs with: approved by another, valid, not revoked; the newest."""
    return session.scalars(
        sa.select(SigningIdentityRow)
        .where(
            SigningIdentityRow.person_id == person_id,
            SigningIdentityRow.approved_by != "",
            SigningIdentityRow.revoked_at.is_(None),
            SigningIdentityRow.valid_from <= at,
            SigningIdentityRow.valid_to > at,
        )
        .order_by(SigningIdentityRow.created_at.desc())
        .limit(1)
    ).first()


def names_of(session: Session, person_ids: Iterable[str]) -> Mapping[str, str]:
    """Names by person_id."""
    wanted = {each for each in person_ids if each}
    if not wanted:
        return {}
    rows = session.execute(
        sa.select(PersonRow.person_id, PersonRow.name).where(PersonRow.person_id.in_(wanted))
    )
    return dict(rows.all())


def _reader(row: PersonRow, *, can_sign: bool, manages: bool) -> Reader:
    # The qualification ends with a day of this place (REP-33).
    valid = row.qualified_until is None or date.today() <= row.qualified_until
    rank = row.rank if row.kind == "human" else 0
    return Reader(
        row.person_id,
        rank,
        licensed=bool(rank >= 1 and row.licence and valid),
        can_sign=can_sign,
        manages=manages,
        modalities=frozenset(filter(None, row.modalities.split(","))),
    )
