"""Signing in: two factors, locks, ends of sessions, and what each leaves in the audit."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pyotp
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from dicomweb_server.access import accounts, passwords, persons, sessions, tokens
from dicomweb_server.access.audit import verify
from dicomweb_server.access.caller import SYSTEM, Act
from dicomweb_server.access.errors import (
    Denied,
    Locked,
    LoginFailed,
    Refused,
    SecondFactorRequired,
    Unknown,
)
from dicomweb_server.access.sessions import Found, SignedIn
from dicomweb_server.access.tables import AccountRow, AttemptRow, AuditRow, SessionRow, TokenRow
from dicomweb_server.config import Config
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now

PASSWORD = "correct horse battery"
ONE_FACTOR = Config(second_factor="optional")
TWO_FACTORS = Config()


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id all the same, of 64 KiB."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64))
    passwords._nobodys.cache_clear()


@pytest.fixture
def records(database: Database) -> Database:
    """With the account `wang`, an administrator and radiologist, who signs in by PASSWORD."""
    with database.write() as session:
        who = persons.add_person(session, SYSTEM, name="王小东", rank=3, licence="110")
        accounts.add_account(
            session,
            SYSTEM,
            login="wang",
            person_id=who.person_id,
            roles=["administrator", "radiologist"],
            password=PASSWORD,
        )
    return database


def sign_in(
    records: Database, config: Config, password: str = PASSWORD, code: str = "", login: str = "wang"
) -> SignedIn:
    return sessions.sign_in(
        records, config, login=login, password=password, code=code, address="10.0.0.7"
    )


def found(records: Database, config: Config, token: str) -> Found | None:
    return sessions.find(records, config, token, address="10.0.0.7")


def enrolled(records: Database, config: Config) -> pyotp.TOTP:
    """`wang` has a second factor, enrolled as a person does it."""
    begun = sign_in(records, config)
    who = found(records, config, begun.token)
    assert who is not None
    with records.write() as session:
        secret, uri = sessions.propose_second_factor(session, who.caller)
    assert uri == f"otpauth://totp/dicomweb-server:wang?secret={secret}&issuer=dicomweb-server"
    one_time = pyotp.TOTP(secret)
    sessions.confirm_second_factor(records, config, who.caller, one_time.now())
    return one_time


def actions(records: Database) -> list[tuple[str, str]]:
    with records.read() as session:
        rows = session.execute(
            sa.select(AuditRow.action, AuditRow.outcome).order_by(AuditRow.seq)
        ).all()
    return [(action, outcome) for action, outcome in rows if action != "person.add"]


def set_back(records: Database, table: type[SessionRow | TokenRow], **values: object) -> None:
    with records.write() as session:
        session.execute(sa.update(table).values(**values))


# --- the password ---------------------------------------------------------------------------------


def test_who_signs_in_is_known_by_the_token_and_only_its_hash_is_kept(records: Database) -> None:
    begun = sign_in(records, ONE_FACTOR)
    who = found(records, ONE_FACTOR, begun.token)
    assert who is not None
    assert (who.caller.name, who.caller.address) == ("wang", "10.0.0.7")
    assert {Act.SIGN, Act.ACCOUNTS} <= who.caller.acts
    with records.read() as session:
        kept = session.scalars(sa.select(SessionRow.token_hash)).one()
    assert begun.token not in kept
    assert found(records, ONE_FACTOR, kept) is None
    assert actions(records)[-1] == ("account.sign-in", "success")


@pytest.mark.parametrize(("login", "password"), [("wang", "wrong"), ("nobody", PASSWORD)])
def test_what_is_wrong_is_not_said(records: Database, login: str, password: str) -> None:
    with pytest.raises(LoginFailed) as caught:
        sign_in(records, ONE_FACTOR, password, login=login)
    assert str(caught.value) == "login, password or code is not right"
    assert actions(records)[-1] == ("account.sign-in", "failure")


def test_a_login_that_is_not_there_costs_the_same_hash(
    records: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            verified.append(str(hash).rsplit("$", 2)[0])
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "_hasher", Counting(time_cost=1, memory_cost=64))
    for login in ("wang", "nobody"):
        with pytest.raises(LoginFailed):
            sign_in(records, ONE_FACTOR, "wrong", login=login)
    assert len(verified) == 2 and verified[0] == verified[1]


def test_a_hash_of_other_parameters_is_renewed_at_the_next_sign_in(
    records: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=128))
    sign_in(records, ONE_FACTOR)
    with records.read() as session:
        kept = session.scalars(sa.select(AccountRow.password_hash)).one()
    assert "m=128,t=2" in kept
    sign_in(records, ONE_FACTOR)


def test_the_password_is_changed_by_who_knows_it_and_other_sessions_end(records: Database) -> None:
    here, there = (sign_in(records, ONE_FACTOR) for _ in range(2))
    who = found(records, ONE_FACTOR, here.token)
    assert who is not None
    with pytest.raises(LoginFailed):
        sessions.change_password(records, ONE_FACTOR, who.caller, old="wrong", new="x" * 12)
    with pytest.raises(Refused, match="10 to 200"):
        sessions.change_password(records, ONE_FACTOR, who.caller, old=PASSWORD, new="short")
    assert found(records, ONE_FACTOR, there.token) is not None
    sessions.change_password(records, ONE_FACTOR, who.caller, old=PASSWORD, new="x" * 12)
    assert found(records, ONE_FACTOR, there.token) is None
    assert found(records, ONE_FACTOR, here.token) is not None
    sign_in(records, ONE_FACTOR, "x" * 12)


# --- the second factor ----------------------------------------------------------------------------


def test_a_password_alone_reaches_nothing_but_the_enrolment(records: Database) -> None:
    begun = sign_in(records, TWO_FACTORS)
    who = found(records, TWO_FACTORS, begun.token)
    assert who is not None
    assert who.enrolling and who.caller.acts == frozenset()
    with pytest.raises(Denied):
        who.caller.permit(Act.VIEW)
    with records.write() as session:
        secret, _ = sessions.propose_second_factor(session, who.caller)
    sessions.confirm_second_factor(records, TWO_FACTORS, who.caller, pyotp.TOTP(secret).now())
    who = found(records, TWO_FACTORS, begun.token)
    assert who is not None
    assert not who.enrolling and Act.VIEW in who.caller.acts


def test_who_has_a_second_factor_needs_it_also_where_it_is_optional(records: Database) -> None:
    one_time = enrolled(records, ONE_FACTOR)
    with pytest.raises(SecondFactorRequired):
        sign_in(records, ONE_FACTOR)
    with pytest.raises(LoginFailed):
        sign_in(records, ONE_FACTOR, code="000000")
    later = one_time.at(time.time() + 30)
    assert found(records, ONE_FACTOR, sign_in(records, ONE_FACTOR, code=later).token) is not None


def test_rfc_6238_5_2_a_code_is_taken_once(records: Database) -> None:
    one_time = enrolled(records, TWO_FACTORS)
    with pytest.raises(LoginFailed):  # the one it was enrolled with
        sign_in(records, TWO_FACTORS, code=one_time.now())
    later = one_time.at(time.time() + 30)
    sign_in(records, TWO_FACTORS, code=later)
    with pytest.raises(LoginFailed):
        sign_in(records, TWO_FACTORS, code=later)


@pytest.mark.parametrize("away_s", [-90, 90])
def test_a_code_of_another_time_is_refused(records: Database, away_s: int) -> None:
    one_time = enrolled(records, TWO_FACTORS)
    with pytest.raises(LoginFailed):
        sign_in(records, TWO_FACTORS, code=one_time.at(time.time() + away_s))


def test_a_second_factor_that_is_enrolled_is_not_replaced_by_a_session(records: Database) -> None:
    one_time = enrolled(records, TWO_FACTORS)
    begun = sign_in(records, TWO_FACTORS, code=one_time.at(time.time() + 30))
    who = found(records, TWO_FACTORS, begun.token)
    assert who is not None
    with pytest.raises(Refused, match="enrolled already"), records.write() as session:
        sessions.propose_second_factor(session, who.caller)
    with records.write() as session:
        accounts.reset_second_factor(session, SYSTEM, "wang")
    assert found(records, TWO_FACTORS, begun.token) is None
    again = found(records, TWO_FACTORS, sign_in(records, TWO_FACTORS).token)
    assert again is not None and again.enrolling


def test_the_secret_of_a_second_factor_is_not_in_the_database(records: Database) -> None:
    one_time = enrolled(records, TWO_FACTORS)
    with records.read() as session:
        sealed = session.scalars(sa.select(AccountRow.totp_sealed)).one()
    assert sealed is not None and one_time.secret.encode() not in sealed


# --- locks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["wang", "nobody"])
def test_a_login_is_locked_after_so_many_failures_whether_it_is_there_or_not(
    records: Database, login: str
) -> None:
    for _ in range(TWO_FACTORS.lock_after):
        with pytest.raises(LoginFailed):
            sign_in(records, TWO_FACTORS, "wrong", login=login)
    with pytest.raises(Locked) as caught:
        sign_in(records, TWO_FACTORS, login=login)
    assert 800 < caught.value.retry_after_s <= 900
    assert ("account.lock", "success") in actions(records)


def test_wrong_codes_lock_too_though_the_password_was_right(records: Database) -> None:
    enrolled(records, TWO_FACTORS)
    for _ in range(TWO_FACTORS.lock_after):
        with pytest.raises(SecondFactorRequired):
            sign_in(records, TWO_FACTORS)
        with pytest.raises(LoginFailed):
            sign_in(records, TWO_FACTORS, code="000000")
    with pytest.raises(Locked):
        sign_in(records, TWO_FACTORS, code="000000")


def test_who_manages_accounts_unlocks_and_that_is_in_the_audit(records: Database) -> None:
    for _ in range(ONE_FACTOR.lock_after):
        with pytest.raises(LoginFailed):
            sign_in(records, ONE_FACTOR, "wrong")
    with records.write() as session:
        assert accounts.account(session, "wang").locked_until is not None
        accounts.unlock(session, SYSTEM, "wang")
        assert accounts.account(session, "wang").locked_until is None
    sign_in(records, ONE_FACTOR)
    assert ("account.unlock", "success") in actions(records)


def test_a_lock_ends_by_itself_and_a_success_forgets_failures(records: Database) -> None:
    short = Config(second_factor="optional", lock_s=1, lock_after=2)
    for _ in range(2):
        with pytest.raises(LoginFailed):
            sign_in(records, short, "wrong")
    with pytest.raises(Locked):
        sign_in(records, short)
    time.sleep(1.1)
    sign_in(records, short)
    with records.read() as session:
        assert session.get(AttemptRow, "wang") is None


def test_logins_that_are_only_tried_do_not_fill_the_database(records: Database) -> None:
    short = Config(lock_s=1)
    for number in range(5):
        with pytest.raises(LoginFailed):
            sign_in(records, short, login=f"guess{number}")
    time.sleep(1.1)
    with pytest.raises(LoginFailed):
        sign_in(records, short, login="guess9")
    with records.read() as session:
        assert session.scalars(sa.select(AttemptRow.login)).all() == ["guess9"]


# --- ends -----------------------------------------------------------------------------------------


def ended_idle(records: Database, token: str) -> None:
    set_back(records, SessionRow, seen_at=now() - timedelta(seconds=ONE_FACTOR.session_idle_s + 1))


def ended_old(records: Database, token: str) -> None:
    set_back(records, SessionRow, expires_at=now() - timedelta(seconds=1))


def ended_by_sign_out(records: Database, token: str) -> None:
    who = found(records, ONE_FACTOR, token)
    assert who is not None
    with records.write() as session:
        sessions.sign_out(session, who.caller)


def ended_disabled(records: Database, token: str) -> None:
    with records.write() as session:
        accounts.set_disabled(session, SYSTEM, "wang", True)


def ended_by_password(records: Database, token: str) -> None:
    with records.write() as session:
        accounts.set_password(session, SYSTEM, "wang", PASSWORD + "!")


def ended_left(records: Database, token: str) -> None:
    with records.write() as session:
        who = accounts.account(session, "wang").person_id
        persons.change_person(session, SYSTEM, who, left=True)


@pytest.mark.parametrize(
    "end",
    [ended_idle, ended_old, ended_by_sign_out, ended_disabled, ended_by_password, ended_left],
)
def test_a_session_ends(records: Database, end: Callable[[Database, str], None]) -> None:
    token = sign_in(records, ONE_FACTOR).token
    assert found(records, ONE_FACTOR, token) is not None
    end(records, token)
    assert found(records, ONE_FACTOR, token) is None


def test_a_session_that_is_used_does_not_become_idle(records: Database) -> None:
    token = sign_in(records, ONE_FACTOR).token
    set_back(records, SessionRow, seen_at=now() - timedelta(seconds=ONE_FACTOR.session_idle_s - 60))
    assert found(records, ONE_FACTOR, token) is not None
    with records.read() as session:
        assert now() - session.scalars(sa.select(SessionRow.seen_at)).one() < timedelta(seconds=30)


def test_a_short_session_that_is_used_does_not_become_idle_either(records: Database) -> None:
    config = replace(ONE_FACTOR, session_idle_s=60.0)
    token = sign_in(records, config).token
    for _ in range(4):
        set_back(records, SessionRow, seen_at=now() - timedelta(seconds=20))
        assert found(records, config, token) is not None
        with records.read() as session:
            seen = session.scalars(sa.select(SessionRow.seen_at)).one()
        assert now() - seen < timedelta(seconds=15)


def test_a_page_that_asks_by_itself_does_not_keep_a_session(records: Database) -> None:
    token = sign_in(records, ONE_FACTOR).token
    set_back(records, SessionRow, seen_at=now() - timedelta(seconds=ONE_FACTOR.session_idle_s - 5))
    asked = sessions.find(records, ONE_FACTOR, token, address="127.0.0.1", used=False)
    assert asked is not None
    with records.read() as session:
        seen = session.scalars(sa.select(SessionRow.seen_at)).one()
    assert now() - seen > timedelta(seconds=ONE_FACTOR.session_idle_s - 10)


def test_who_is_disabled_does_not_sign_in(records: Database) -> None:
    ended_disabled(records, "")
    with pytest.raises(LoginFailed):
        sign_in(records, ONE_FACTOR)


# --- tokens ---------------------------------------------------------------------------------------


def token(records: Database, *acts: str) -> tuple[str, str]:
    with records.write() as session:
        made, text = tokens.add_token(session, SYSTEM, login="wang", name="gateway", acts=acts)
    return made.token_id, text


def test_a_token_allows_what_it_names_and_its_account_may(records: Database) -> None:
    _, text = token(records, "store", "search", "view")
    who = tokens.find(records, text, address="10.0.0.9")
    assert who is not None
    assert who.caller.acts == {Act.STORE, Act.SEARCH, Act.VIEW}
    with records.write() as session:
        accounts.set_roles(session, SYSTEM, "wang", ["radiologist"])
    who = tokens.find(records, text, address="10.0.0.9")
    assert who is not None
    assert who.caller.acts == {Act.SEARCH, Act.VIEW}
    with records.read() as session:
        assert text not in "".join(session.scalars(sa.select(TokenRow.token_hash)))


@pytest.mark.parametrize("act", ["sign", "review", "accounts", "everything"])
def test_no_token_signs_or_manages_accounts(records: Database, act: str) -> None:
    with pytest.raises(Refused):
        token(records, act)


def test_a_token_makes_no_tokens(records: Database) -> None:
    _, text = token(records, "view")
    who = tokens.find(records, text, address="")
    assert who is not None
    with pytest.raises(Refused, match="makes no tokens"), records.write() as session:
        tokens.add_token(session, who.caller, login="wang", name="more", acts=["delete"])


def test_a_token_is_over_when_it_is_revoked_or_old_or_its_account_disabled(
    records: Database,
) -> None:
    name, revoked = token(records, "view")
    _, old = token(records, "view")
    with records.write() as session:
        tokens.revoke_token(session, SYSTEM, name)
    with pytest.raises(Unknown), records.write() as session:
        tokens.revoke_token(session, SYSTEM, name)
    assert tokens.find(records, revoked, address="") is None
    assert tokens.find(records, old, address="") is not None
    ended_disabled(records, "")
    assert tokens.find(records, old, address="") is None
    with records.write() as session:
        accounts.set_disabled(session, SYSTEM, "wang", False)
    set_back(records, TokenRow, expires_at=now())
    assert tokens.find(records, old, address="") is None


def test_all_that_leaves_a_chain_that_verifies(records: Database) -> None:
    enrolled(records, TWO_FACTORS)
    token(records, "view")
    assert verify(records).ok
