"""Accounts: logins that belong to persons, what they may, and how they are locked and ended.

The functions take the session of a transaction and who asks; what they change they audit in that
transaction. `changed` of access/revision.py has to be told when it is through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access import passwords
from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act, Caller, acts_of, named
from dicomweb_server.access.errors import Refused, Unknown
from dicomweb_server.access.persons import person
from dicomweb_server.access.tables import (
    AccountRow,
    AttemptRow,
    RoleRow,
    SessionRow,
)
from dicomweb_server.records.moments import now


@dataclass(frozen=True, slots=True)
class Account:
    """An account as others may see it."""

    account_id: str
    person_id: str
    login: str
    roles: tuple[str, ...]
    second_factor: bool
    disabled_at: datetime | None
    locked_until: datetime | None
    created_at: datetime


def any_account(session: Session) -> bool:
    """Whether there is one, disabled or not: then nothing is open any more."""
    return session.scalar(sa.select(AccountRow.account_id).limit(1)) is not None


def account(session: Session, login: str) -> Account:
    """By login, or by its id. Raises Unknown."""
    return _account(session, _row(session, login))


def accounts(session: Session) -> list[Account]:
    """All of them, by login."""
    rows = session.scalars(sa.select(AccountRow).order_by(AccountRow.login)).all()
    return [_account(session, row) for row in rows]


def add_account(
    session: Session,
    caller: Caller,
    *,
    login: str,
    person_id: str,
    roles: Sequence[str],
    password: str | None,
) -> Account:
    """password  None: nobody signs in, a program comes with a token

    Raises Denied, Unknown and Refused. The first account must be able to make others, or nobody
    could any more.
    """
    caller.permit(Act.ACCOUNTS)
    person(session, person_id)
    login = login.strip()
    if not 1 <= len(login) <= 100 or not login.isprintable() or login != login.casefold():
        raise Refused(
            "login", f"{login[:80]!r} is no login: 1 to 100 characters, no capitals", name="login"
        )
    if _found(session, login) is not None:
        raise Refused("login", f"there is an account {login!r} already", name="login-taken")
    first = not any_account(session)
    row = AccountRow(
        account_id=str(uuid4()),
        person_id=person_id,
        login=login,
        password_hash="" if password is None else passwords.hashed(password, login=login),
        totp_last_step=0,
        roles=_roles(session, roles),
        created_at=now(),
    )
    if first and (password is None or Act.ACCOUNTS not in acts_of_roles(session, row.roles)):
        raise Refused(
            "roles",
            "the first account needs a password and a role that allows to manage accounts",
            name="first-account",
        )
    session.add(row)
    session.flush()
    detail = {"person_id": person_id, "roles": row.roles}
    record(session, caller, Event("account.add", login, detail=detail))
    return _account(session, row)


def set_roles(session: Session, caller: Caller, login: str, roles: Sequence[str]) -> None:
    """Raises Denied, Unknown and Refused."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, login)
    before, row.roles = row.roles, _roles(session, roles)
    record(
        session, caller, Event("account.roles", row.login, detail={"was": before, "is": row.roles})
    )


def set_password(session: Session, caller: Caller, login: str, password: str) -> None:
    """By who manages accounts; the account's sessions end. Raises Denied, Unknown and Refused."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, login)
    row.password_hash = passwords.hashed(password, login=row.login)
    end_sessions(session, row.account_id)
    record(session, caller, Event("account.password", row.login))


def set_disabled(session: Session, caller: Caller, login: str, disabled: bool) -> None:
    """Every session of a disabled account ends, its tokens are good for nothing. Raises Denied and
    Unknown."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, login)
    row.disabled_at = (row.disabled_at or now()) if disabled else None
    if disabled:
        end_sessions(session, row.account_id)
    record(session, caller, Event(f"account.{'disable' if disabled else 'enable'}", row.login))


def unlock(session: Session, caller: Caller, login: str) -> None:
    """After too many failures. Raises Denied and Unknown."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, login)
    session.execute(sa.delete(AttemptRow).where(AttemptRow.login == row.login))
    record(session, caller, Event("account.unlock", row.login))


def reset_second_factor(session: Session, caller: Caller, login: str) -> None:
    """Whoever has lost it enrols a new one at the next sign-in. Raises Denied and Unknown."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, login)
    row.totp_sealed = row.totp_enrolled_at = None
    end_sessions(session, row.account_id)
    record(session, caller, Event("account.second-factor-reset", row.login))


def end_sessions(session: Session, account_id: str, *, but: str = "") -> None:
    """but  a session that goes on"""
    session.execute(
        sa.delete(SessionRow).where(
            SessionRow.account_id == account_id, SessionRow.session_id != but
        )
    )


# --- roles ----------------------------------------------------------------------------------------


def roles(session: Session) -> dict[str, frozenset[Act]]:
    """What each role allows, by name."""
    rows = session.scalars(sa.select(RoleRow).order_by(RoleRow.name))
    return {row.name: acts_of(row.acts) for row in rows}


def set_role(session: Session, caller: Caller, name: str, acts: frozenset[Act]) -> None:
    """Makes or changes a role. Raises Denied and Refused."""
    caller.permit(Act.ACCOUNTS)
    if not 1 <= len(name) <= 40 or not name.replace("-", "a").isalnum() or not name.islower():
        raise Refused("name", f"{name[:80]!r} is no name of a role: small letters, digits, hyphens")
    row = session.get(RoleRow, name)
    before = row.acts if row is not None else ""
    session.merge(RoleRow(name=name, acts=named(acts)))
    detail = {"was": before, "is": named(acts)}
    record(session, caller, Event("role.change", name, detail=detail))


def acts_of_roles(session: Session, names: str) -> frozenset[Act]:
    """What roles allow together; one that there is not allows nothing."""
    wanted = [name for name in names.split(",") if name]
    rows = session.scalars(sa.select(RoleRow.acts).where(RoleRow.name.in_(wanted)))
    return frozenset().union(*(acts_of(acts) for acts in rows))


def _roles(session: Session, names: Sequence[str]) -> str:
    known = set(session.scalars(sa.select(RoleRow.name)))
    for name in names:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise Refused("roles", f"there is no role {name[:80]!r}, only {listed}")
    return ",".join(sorted(set(names)))


# --- what they share ------------------------------------------------------------------------------


def _found(session: Session, login: str) -> AccountRow | None:
    return session.scalar(sa.select(AccountRow).where(AccountRow.login == login))


def _row(session: Session, login: str) -> AccountRow:
    row = _found(session, login) or session.get(AccountRow, login)
    if row is None:
        raise Unknown("account", login)
    return row


def _account(session: Session, row: AccountRow) -> Account:
    attempt = session.get(AttemptRow, row.login)
    locked_until = attempt.locked_until if attempt is not None else None
    return Account(
        row.account_id,
        row.person_id,
        row.login,
        tuple(filter(None, row.roles.split(","))),
        row.totp_enrolled_at is not None,
        row.disabled_at,
        locked_until if locked_until is not None and locked_until > now() else None,
        row.created_at,
    )
