"""Tokens of programs: random, shown once, kept as a hash, with acts and an end.

A program with a token acts for the account it was made for: it may what the account may at that
moment and the token names, and never sign, since for a signature a person has to be there.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.accounts import account, acts_of_roles
from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act, Caller, acts_of, named
from dicomweb_server.access.errors import Refused, Unknown
from dicomweb_server.access.sessions import Found, active, token_hash
from dicomweb_server.access.tables import AccountRow, TokenRow
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now

PREFIX = "dws_"
"""So that a token is known for one where it should not be, in a log or a repository."""

NEVER = frozenset({Act.SIGN, Act.REVIEW, Act.ACCOUNTS})
"""What no token allows: a signature needs a person, and who makes accounts a second factor."""


SESSION = "token "
"""How the `session_id` of a caller begins that is a program with a token."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its owner may see it."""

    token_id: str
    login: str
    name: str
    acts: frozenset[Act]
    expires_at: datetime | None
    created_at: datetime


def tokens(session: Session, caller: Caller) -> list[Token]:
    """The caller's own that are good; who manages accounts sees everybody's."""
    wanted = sa.select(TokenRow, AccountRow.login).join(
        AccountRow, AccountRow.account_id == TokenRow.account_id
    )
    if Act.ACCOUNTS not in caller.acts:
        wanted = wanted.where(TokenRow.account_id == caller.account_id)
    rows = session.execute(
        wanted.where(TokenRow.revoked_at.is_(None)).order_by(TokenRow.created_at)
    )
    return [_token(row, login) for row, login in rows]


def add_token(
    session: Session,
    caller: Caller,
    *,
    login: str,
    name: str,
    acts: Sequence[str],
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """The token, and its text, which is nowhere else. Raises Denied, Unknown and Refused."""
    if caller.session_id.startswith(SESSION):
        raise Refused("token", "a token makes no tokens: sign in", name="needs-sign-in")
    owner = account(session, login)
    if owner.account_id != caller.account_id or not caller.acts:
        caller.permit(Act.ACCOUNTS)
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise Refused("name", f"{name[:80]!r} is no name of a token: 1 to 100 characters")
    known = {act.value: act for act in Act}
    for each in acts:
        if each not in known:
            raise Refused("acts", f"{each[:80]!r} is no act, only {', '.join(known)}")
        if known[each] in NEVER:
            raise Refused("acts", f"no token allows to {each}: that needs who has signed in")
    if expires_at is not None and expires_at <= now():
        raise Refused("expires_at", f"{expires_at.isoformat()} is over")
    text = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(
        token_id=str(uuid4()),
        token_hash=token_hash(text),
        account_id=owner.account_id,
        name=name,
        acts=named(frozenset(known[each] for each in acts)),
        expires_at=expires_at,
        created_at=now(),
    )
    session.add(row)
    session.flush()
    detail = {"name": name, "acts": row.acts, "account": owner.login}
    record(session, caller, Event("token.add", row.token_id, detail=detail))
    return _token(row, owner.login), text


def revoke_token(session: Session, caller: Caller, token_id: str) -> None:
    """Raises Denied and Unknown."""
    row = session.get(TokenRow, token_id)
    if row is None or row.revoked_at is not None:
        raise Unknown("token", token_id)
    if row.account_id != caller.account_id:
        caller.permit(Act.ACCOUNTS)
    row.revoked_at = now()
    record(session, caller, Event("token.revoke", token_id, detail={"name": row.name}))


def find(records: Database, text: str, *, address: str) -> Found | None:
    """Whom a program with this token acts for; None when it is good for nothing."""
    with records.read() as session:
        row = session.scalar(sa.select(TokenRow).where(TokenRow.token_hash == token_hash(text)))
        if row is None or row.revoked_at is not None:
            return None
        if row.expires_at is not None and row.expires_at <= now():
            return None
        owner = active(session, row.account_id)
        if owner is None:
            return None
        acts = (acts_of(row.acts) & acts_of_roles(session, owner.roles)) - NEVER
    caller = Caller(
        owner.login, acts, owner.person_id, owner.account_id, SESSION + row.token_id, address
    )
    return Found(caller, False, row.expires_at)


def _token(row: TokenRow, login: str) -> Token:
    return Token(row.token_id, login, row.name, acts_of(row.acts), row.expires_at, row.created_at)
