"""Signing in and out, and what a signed-in person does with its own account.

A session is a random token that the client keeps (in a cookie) and whose hash is a row here; it
ends when it has been idle, when it has lasted long enough, at sign-out, and with the account. Too
many failures in a row lock a login for a while, one that does not exist as well, and the answer
takes the same time, so nobody learns which logins there are.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access import passwords, second_factor
from dicomweb_server.access.accounts import acts_of_roles, end_sessions
from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Caller
from dicomweb_server.access.errors import (
    Locked,
    LoginFailed,
    Refused,
    SecondFactorRequired,
)
from dicomweb_server.access.tables import AccountRow, AttemptRow, PersonRow, SessionRow
from dicomweb_server.config import Config
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now
from dicomweb_server.records.secret import Secret

SEEN_EVERY = timedelta(seconds=60)
"""A session's last use is written down no more often than this, and known no better; but at each
quarter of the time after which it ends unused, where that is less."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """token  for the client, known to it alone"""

    token: str
    session_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """Who a token is of.

    enrolling  whether the second factor is required and missing
    """

    caller: Caller
    enrolling: bool
    expires_at: datetime | None


def token_hash(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so one round of a fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def sign_in(
    records: Database,
    config: Config,
    *,
    login: str,
    password: str,
    code: str = "",
    address: str = "",
) -> SignedIn:
    """code  of the second factor; empty: none was shown

    Raises LoginFailed, SecondFactorRequired (the password was right), Locked.
    """
    login = login.strip().casefold()[:100]
    who = Caller(login, frozenset(), address=address)
    with records.read() as session:
        row = session.scalar(sa.select(AccountRow).where(AccountRow.login == login))
        locked = _locked(session, login)
        kept = row.password_hash if row is not None and row.disabled_at is None else ""
    # Hashing takes its time, so it is no part of a transaction that others wait for.
    right = locked is None and passwords.matches(kept, password)
    renewed = right and passwords.is_outdated(kept) and passwords.hashed(password, login=login)
    with records.write() as session:
        row = session.scalar(sa.select(AccountRow).where(AccountRow.login == login))
        problem = _judged(
            session,
            config,
            row,
            login,
            kept=kept if right else "",
            code=code,
            secret=records.secret,
        )
        if row is None or problem is not None:
            problem = problem or LoginFailed()
            detail = {"reason": problem.reason}
            record(session, who, Event("account.sign-in", login, "failure", detail))
        else:
            if renewed:
                row.password_hash = renewed
            return _begun(session, config, row, who)
    raise problem


def _judged(
    session: Session,
    config: Config,
    row: AccountRow | None,
    login: str,
    *,
    kept: str,
    code: str,
    secret: Secret,
) -> LoginFailed | SecondFactorRequired | Locked | None:
    """What stands against signing in, failures counted.

    kept  the hash that the password was right for; empty: for none
    """
    if (locked := _locked(session, login)) is not None:
        return locked
    if row is not None and kept and row.password_hash == kept and row.disabled_at is None:
        if row.totp_enrolled_at is None:
            session.execute(sa.delete(AttemptRow).where(AttemptRow.login == login))
            return None
        if not code:
            return SecondFactorRequired()
        if second_factor.is_right(row, secret, code, at_s=now().timestamp()):
            session.execute(sa.delete(AttemptRow).where(AttemptRow.login == login))
            return None
    _count_failure(session, config, login)
    return LoginFailed()


def _locked(session: Session, login: str) -> Locked | None:
    found = session.get(AttemptRow, login)
    until = found.locked_until if found is not None else None
    if until is None or until <= now():
        return None
    return Locked((until - now()).total_seconds())


def _count_failure(session: Session, config: Config, login: str) -> None:
    moment, lasting = now(), timedelta(seconds=config.lock_s)
    # Whatever names were tried: this table holds what a lock's time brings, and no more.
    session.execute(sa.delete(AttemptRow).where(AttemptRow.last_at < moment - lasting))
    found = session.get(AttemptRow, login)
    if found is None:
        found = AttemptRow(login=login, failures=0)
        session.add(found)
    found.failures += 1
    found.last_at = moment
    if found.failures >= config.lock_after:
        found.failures = 0
        found.locked_until = moment + lasting
        session.flush()
        who = Caller("system", frozenset())
        record(session, who, Event("account.lock", login, detail={"for_s": config.lock_s}))


def _begun(session: Session, config: Config, row: AccountRow, who: Caller) -> SignedIn:
    moment = now()
    session.execute(sa.delete(SessionRow).where(SessionRow.expires_at < moment))
    token = secrets.token_urlsafe(32)
    begun = SessionRow(
        session_id=str(uuid4()),
        token_hash=token_hash(token),
        account_id=row.account_id,
        enrolling=config.second_factor == "required" and row.totp_enrolled_at is None,
        address=who.address[:64],
        created_at=moment,
        seen_at=moment,
        expires_at=moment + timedelta(seconds=config.session_max_s),
    )
    session.add(begun)
    caller = Caller(
        row.login, frozenset(), row.person_id, row.account_id, begun.session_id, who.address
    )
    factors = ["password"] if row.totp_enrolled_at is None else ["password", "code"]
    record(session, caller, Event("account.sign-in", row.login, detail={"factors": factors}))
    return SignedIn(token, begun.session_id, begun.expires_at)


def find(
    records: Database, config: Config, token: str, *, address: str, used: bool = True
) -> Found | None:
    """Who has signed in with this token; None when nobody has, or has no more.

    used  whether somebody does something with the session; a page that asks by itself does not,
          and a session of which that is all becomes idle
    """
    moment = now()
    with records.read() as session:
        shown = SessionRow.token_hash == token_hash(token)
        row = session.scalar(sa.select(SessionRow).where(shown))
        idle = timedelta(seconds=config.session_idle_s)
        if row is None or min(row.expires_at, row.seen_at + idle) <= moment:
            return None
        owner = active(session, row.account_id)
        if owner is None:
            return None
        enrolling = row.enrolling and config.second_factor == "required"
        acts = frozenset() if enrolling else acts_of_roles(session, owner.roles)
    if used and moment - row.seen_at >= min(SEEN_EVERY, idle / 4):
        with records.write() as session:
            session.execute(
                sa.update(SessionRow)
                .where(SessionRow.session_id == row.session_id)
                .values(seen_at=moment)
            )
    caller = Caller(owner.login, acts, owner.person_id, owner.account_id, row.session_id, address)
    return Found(caller, enrolling, row.expires_at)


def active(session: Session, account_id: str) -> AccountRow | None:
    """The account, when it is not disabled and its person has not left."""
    row = session.get(AccountRow, account_id)
    if row is None or row.disabled_at is not None:
        return None
    owner = session.get(PersonRow, row.person_id)
    return row if owner is not None and owner.left_at is None else None


def sign_out(session: Session, caller: Caller) -> None:
    """Ends the caller's session."""
    session.execute(sa.delete(SessionRow).where(SessionRow.session_id == caller.session_id))
    record(session, caller, Event("account.sign-out", caller.name))


def change_password(
    records: Database, config: Config, caller: Caller, *, old: str, new: str
) -> None:
    """Of the caller's own account; its other sessions end. A wrong old one counts as a failure.

    Raises LoginFailed, Locked and Refused.
    """
    with records.read() as session:
        row = session.get_one(AccountRow, caller.account_id)
        locked = _locked(session, row.login)
        kept = row.password_hash
    if locked is not None:
        raise locked
    right = passwords.matches(kept, old)
    renewed = passwords.hashed(new, login=row.login) if right else ""
    with records.write() as session:
        row = session.get_one(AccountRow, caller.account_id)
        right = right and row.password_hash == kept
        if right:
            row.password_hash = renewed
            end_sessions(session, row.account_id, but=caller.session_id)
        else:
            _count_failure(session, config, row.login)
        outcome = "success" if right else "failure"
        record(session, caller, Event("account.password", row.login, outcome))
    if not right:
        raise LoginFailed()


def propose_second_factor(session: Session, caller: Caller) -> tuple[str, str]:
    """A shared secret for the caller's account and the URI of its QR code. Raises Refused when a
    second factor is enrolled already: only who manages accounts takes it away."""
    row = session.get_one(AccountRow, caller.account_id)
    if row.totp_enrolled_at is not None:
        reason = "a second factor is enrolled already: who manages accounts can reset it"
        raise Refused("second_factor", reason, name="already-enrolled")
    record(session, caller, Event("account.second-factor-propose", row.login))
    return second_factor.propose(row, session.info["secret"])


def confirm_second_factor(records: Database, config: Config, caller: Caller, code: str) -> None:
    """The first right code puts the proposed secret in force. Raises LoginFailed, Locked and
    Refused."""
    with records.write() as session:
        row = session.get_one(AccountRow, caller.account_id)
        if row.totp_sealed is None or row.totp_enrolled_at is not None:
            reason = "no second factor is proposed: ask for one first"
            raise Refused("code", reason, name="not-proposed")
        if (locked := _locked(session, row.login)) is not None:
            raise locked
        right = second_factor.is_right(row, records.secret, code, at_s=now().timestamp())
        if right:
            row.totp_enrolled_at = now()
            end_sessions(session, row.account_id, but=caller.session_id)
            session.execute(
                sa.update(SessionRow)
                .where(SessionRow.session_id == caller.session_id)
                .values(enrolling=False)
            )
        else:
            _count_failure(session, config, row.login)
        outcome = "success" if right else "failure"
        record(session, caller, Event("account.second-factor-enrol", row.login, outcome))
    if not right:
        raise LoginFailed("the code is not right")
