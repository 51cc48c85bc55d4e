"""Persons and accounts: what may be set, what is refused, what is left in the audit."""

from datetime import date

import pytest
import sqlalchemy as sa

from dicomweb_server.access import accounts, persons
from dicomweb_server.access.caller import SYSTEM, Act, Caller, Rank
from dicomweb_server.access.errors import Denied, Refused, Unknown
from dicomweb_server.access.tables import AccountRow, AuditRow
from dicomweb_server.records.database import Database

PASSWORD = "correct horse battery"


def add(database: Database, login: str, *roles: str, password: str | None = PASSWORD) -> str:
    """A person and an account; its id."""
    with database.write() as session:
        who = persons.add_person(session, SYSTEM, name="王小东")
        made = accounts.add_account(
            session,
            SYSTEM,
            login=login,
            person_id=who.person_id,
            roles=roles,
            password=password,
        )
    return made.account_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("rank", 5),
        ("rank", -1),
        ("rank", True),
        ("rank", "3"),
        ("kind", "robot"),
        ("licence", "x" * 65),
        ("modalities", ("CT, MR",)),
        ("qualified_until", "2026-01-01"),
        ("shoe_size", 43),
    ],
)
def test_what_a_person_cannot_be_is_refused_by_name(
    database: Database, field: str, value: object
) -> None:
    with database.write() as session:
        made = persons.add_person(session, SYSTEM, name="王小东")
    with pytest.raises(Refused) as caught, database.write() as session:
        persons.change_person(session, SYSTEM, made.person_id, **{field: value})
    assert caught.value.field == field


def test_an_ai_has_no_rank(database: Database) -> None:
    with pytest.raises(Refused, match="AI"), database.write() as session:
        persons.add_person(session, SYSTEM, name="Nodule AI", kind="ai", rank=1)


@pytest.mark.parametrize(
    ("changes", "qualified"),
    [
        ({}, True),
        ({"licence": ""}, False),
        ({"qualified_until": date(2026, 11, 24)}, False),
        ({"qualified_until": date(2026, 11, 25)}, True),
        ({"modalities": ("MR",)}, False),
        ({"modalities": ("MR", "CT")}, True),
        ({"left": True}, False),
        ({"kind": "ai", "rank": 0}, False),
    ],
)
def test_who_is_qualified_has_a_licence_that_has_not_ended_and_covers_the_modality(
    database: Database, changes: dict[str, object], qualified: bool
) -> None:
    with database.write() as session:
        made = persons.add_person(session, SYSTEM, name="李", rank=2, licence="110")
        found = persons.change_person(session, SYSTEM, made.person_id, **changes)
        assert persons.person(session, made.person_id) == found
    assert found.is_qualified(on=date(2026, 11, 25), modality="CT") is qualified


def test_the_first_account_must_be_able_to_make_others(database: Database) -> None:
    with pytest.raises(Refused, match="first account"):
        add(database, "reader", "radiologist")
    with pytest.raises(Refused, match="first account"):
        add(database, "admin", "administrator", password=None)
    with database.read() as session:
        assert not accounts.any_account(session)
    add(database, "admin", "administrator")
    add(database, "reader", "radiologist")
    with database.read() as session:
        assert accounts.any_account(session)
        assert [each.login for each in accounts.accounts(session)] == ["admin", "reader"]


@pytest.mark.parametrize("login", ["", "Admin", "a\tb", "x" * 101])
def test_a_login_that_could_be_mistaken_is_refused(database: Database, login: str) -> None:
    with pytest.raises(Refused, match="login"):
        add(database, login, "administrator")


@pytest.mark.parametrize("password", ["short", "x" * 201, "administrator"])
def test_a_weak_password_is_refused(database: Database, password: str) -> None:
    with pytest.raises(Refused) as caught:
        add(database, "administrator", "administrator", password=password)
    assert caught.value.name == "weak-password"


def test_a_login_is_taken_once(database: Database) -> None:
    add(database, "admin", "administrator")
    with pytest.raises(Refused, match="already"):
        add(database, "admin", "administrator")


def test_a_password_is_kept_as_argon2id_only(database: Database) -> None:
    account_id = add(database, "admin", "administrator")
    with database.read() as session:
        assert session.get_one(AccountRow, account_id).password_hash.startswith("$argon2id$v=19$")
        kept = session.scalars(sa.select(AuditRow.detail)).all()
    assert not any(PASSWORD in detail for detail in kept)


def test_the_shipped_roles_are_there_and_an_unknown_one_is_refused(database: Database) -> None:
    with database.read() as session:
        roles = accounts.roles(session)
    assert set(roles) == {
        "administrator",
        "radiologist",
        "trainee",
        "technologist",
        "clinician",
        "auditor",
        "ai",
    }
    assert Act.SIGN in roles["radiologist"] and Act.EXPORT not in roles["radiologist"]
    assert Act.SIGN not in roles["technologist"] | roles["administrator"] | roles["ai"]
    assert roles["auditor"] == {Act.AUDIT}
    add(database, "admin", "administrator")
    with pytest.raises(Refused, match="no role 'king'"), database.write() as session:
        accounts.set_roles(session, SYSTEM, "admin", ["king"])


def test_a_new_role_allows_nothing_until_it_is_told(database: Database) -> None:
    with database.write() as session:
        accounts.set_role(session, SYSTEM, "inspector", frozenset())
        assert accounts.acts_of_roles(session, "inspector") == frozenset()
        accounts.set_role(session, SYSTEM, "inspector", frozenset({Act.AUDIT}))
        assert accounts.acts_of_roles(session, "inspector,clinician") == {
            Act.AUDIT,
            Act.SEARCH,
            Act.VIEW,
            Act.READ_REPORTS,
        }


def test_who_may_not_manage_accounts_changes_none(database: Database) -> None:
    add(database, "admin", "administrator")
    reader = Caller("reader", frozenset({Act.VIEW}))
    with database.write() as session:
        for change in (
            lambda: accounts.set_roles(session, reader, "admin", []),
            lambda: accounts.set_password(session, reader, "admin", PASSWORD),
            lambda: accounts.set_disabled(session, reader, "admin", True),
            lambda: accounts.unlock(session, reader, "admin"),
            lambda: accounts.reset_second_factor(session, reader, "admin"),
            lambda: accounts.set_role(session, reader, "x", frozenset()),
            lambda: accounts.add_account(
                session, reader, login="x", person_id="x", roles=[], password=None
            ),
        ):
            with pytest.raises(Denied):
                change()


def test_an_account_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(Unknown, match="nobody"), database.write() as session:
        accounts.set_disabled(session, SYSTEM, "nobody", True)


def test_every_change_leaves_an_event(database: Database) -> None:
    add(database, "admin", "administrator")
    with database.write() as session:
        accounts.set_roles(session, SYSTEM, "admin", ["administrator", "auditor"])
        accounts.set_password(session, SYSTEM, "admin", PASSWORD + "!")
        accounts.set_disabled(session, SYSTEM, "admin", True)
        accounts.set_disabled(session, SYSTEM, "admin", False)
        accounts.unlock(session, SYSTEM, "admin")
        accounts.reset_second_factor(session, SYSTEM, "admin")
    with database.read() as session:
        found = session.scalars(sa.select(AuditRow.action).order_by(AuditRow.seq)).all()
    assert found == [
        "person.add",
        "account.add",
        "account.roles",
        "account.password",
        "account.disable",
        "account.enable",
        "account.unlock",
        "account.second-factor-reset",
    ]


def test_a_person_keeps_rank_and_history(database: Database) -> None:
    with database.write() as session:
        made = persons.add_person(session, SYSTEM, name="李审核", rank=2, licence="110")
        persons.change_person(session, SYSTEM, made.person_id, rank=3)
        assert persons.person(session, made.person_id).rank is Rank.ASSOCIATE_CHIEF
        detail = session.scalars(sa.select(AuditRow.detail).order_by(AuditRow.seq.desc())).first()
    assert detail == '{"rank":["2","3"]}'
