"""The audit's promises, on both databases: nothing is changed, taken out or cut off unnoticed."""

from typing import Any

import orjson
import pytest
import rfc8785
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.access.audit import Event, record, verify
from dicomweb_server.access.caller import EVERYTHING, Act, Caller
from dicomweb_server.access.persons import add_person
from dicomweb_server.access.tables import AuditRow, PersonRow
from dicomweb_server.records.database import Database
from dicomweb_server.records.secret import new_secret

WHO = Caller("wang", EVERYTHING, person_id="p", account_id="a", session_id="s", address="10.0.0.7")


def write(database: Database, count: int) -> None:
    for number in range(count):
        with database.write() as session:
            record(session, WHO, Event("study.view", f"1.2.{number}", detail={"frames": number}))


def tamper(database: Database, *statements: str) -> None:
    """As somebody who owns the database but not the secret beside it."""
    with database.write() as session:
        if database.is_sqlite:
            for event in ("update", "delete"):
                session.execute(sa.text(f"DROP TRIGGER audit_events_no_{event}"))
        else:
            session.execute(sa.text("ALTER TABLE audit_events DISABLE TRIGGER ALL"))
        for statement in statements:
            session.execute(sa.text(statement))


def test_an_event_says_who_did_what_to_what_when_from_where_and_how_it_ended(
    database: Database,
) -> None:
    with database.write() as session:
        record(session, WHO, Event("study.export", "1.2.3", "failure", {"名": "王\x00", "n": 1}))
    with database.read() as session:
        row = session.get_one(AuditRow, 1)
    assert (row.actor, row.person_id, row.account_id, row.address) == ("wang", "p", "a", "10.0.0.7")
    assert (row.action, row.subject, row.outcome) == ("study.export", "1.2.3", "failure")
    assert row.detail == '{"n":1,"名":"王\\u0000"}'
    assert len(row.at) == 27 and row.at.endswith("Z")
    assert verify(database).ok


def test_a_name_with_control_characters_is_shown_escaped(database: Database) -> None:
    with database.write() as session:
        record(session, Caller("A\nB\x85", EVERYTHING), Event("account.sign-in", "wa\x00ng\r"))
    with database.read() as session:
        row = session.get_one(AuditRow, 1)
    assert (row.actor, row.subject) == (r"A\nB\x85", r"wa\x00ng\r")
    assert verify(database).ok


def test_an_event_is_undone_with_the_act_it_belongs_to(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        add_person(session, WHO, name="王小东")
        raise ZeroDivisionError
    write(database, 1)
    with database.read() as session:
        assert session.scalars(sa.select(AuditRow.action)).all() == ["study.view"]
        assert session.scalars(sa.select(PersonRow)).all() == []
    assert verify(database).ok


def test_several_events_of_one_transaction_follow_one_another(database: Database) -> None:
    with database.write() as session:
        for number in range(3):
            record(session, WHO, Event("query", str(number)))
    assert verify(database).checked == 3


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_events SET actor = 'x'", "DELETE FROM audit_events"]
)
def test_the_database_refuses_to_change_or_delete_events(
    database: Database, statement: str
) -> None:
    write(database, 2)
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        database.write() as session,
    ):
        session.execute(sa.text(statement))
    assert verify(database).checked == 2


@pytest.mark.parametrize(
    ("statement", "first_bad", "reason"),
    [
        ("UPDATE audit_events SET outcome = 'failure' WHERE seq = 3", 3, "is not what"),
        ("UPDATE audit_events SET at = '2020' || substr(at, 5) WHERE seq = 4", 4, "is not what"),
        ("UPDATE audit_events SET detail = '{}' WHERE seq = 5", 5, "is not what"),
        ("DELETE FROM audit_events WHERE seq = 1", 1, "is missing"),
        ("DELETE FROM audit_events WHERE seq = 3", 3, "is missing"),
        ("DELETE FROM audit_events WHERE seq >= 4", 4, "and all after it up to 5"),
        ("DELETE FROM audit_events", 1, "and all after it up to 5"),
        ("DELETE FROM audit_head", 6, "the end of the chain is gone"),
    ],
)
def test_what_was_changed_taken_out_or_cut_off_is_named(
    database: Database, statement: str, first_bad: int, reason: str
) -> None:
    write(database, 5)
    tamper(database, statement)
    verdict = verify(database)
    assert (verdict.ok, verdict.first_bad) == (False, first_bad)
    assert reason in verdict.reason


def test_a_chain_that_was_cut_and_its_head_set_back_is_noticed(database: Database) -> None:
    """The hashes are right and the head fits, but its MAC needs the secret beside the database."""
    write(database, 5)
    with database.read() as session:
        third = session.get_one(AuditRow, 3).hash
    tamper(
        database,
        "DELETE FROM audit_events WHERE seq > 3",
        f"UPDATE audit_head SET seq = 3, hash = '{third}'",
    )
    verdict = verify(database)
    assert (verdict.ok, verdict.first_bad) == (False, 4)
    assert "secret" in verdict.reason


def test_a_chain_that_was_made_anew_is_noticed(database: Database) -> None:
    """Somebody records what never happened, with hashes that fit, under another secret."""
    write(database, 2)
    forger = Database(database.url, new_secret())
    tamper(database, "DELETE FROM audit_events", "DELETE FROM audit_head")
    write(forger, 2)
    assert verify(forger).ok
    forger.close()
    assert not verify(database).ok


def test_an_event_beyond_the_end_is_noticed(database: Database) -> None:
    write(database, 2)
    tamper(
        database,
        "INSERT INTO audit_events SELECT 3, at, actor, person_id, account_id, session_id, address,"
        " action, subject, outcome, detail, hash FROM audit_events WHERE seq = 2",
    )
    assert verify(database).first_bad == 3


def test_an_empty_audit_is_whole(database: Database) -> None:
    assert verify(database).ok
    assert verify(database).checked == 0


def test_who_may_not_manage_accounts_adds_no_person(database: Database) -> None:
    reader = Caller("reader", frozenset({Act.VIEW}))
    with (
        pytest.raises(Exception, match="reader may not accounts"),
        database.write() as session,
    ):
        add_person(session, reader, name="X")


@given(
    st.dictionaries(
        st.text(st.characters(max_codepoint=127), max_size=8),
        st.one_of(st.text(), st.integers(-(2**53) + 1, 2**53 - 1), st.booleans(), st.none()),
    )
)
def test_what_is_hashed_is_written_as_rfc_8785_says(detail: dict[str, Any]) -> None:
    assert orjson.dumps(detail, option=orjson.OPT_SORT_KEYS) == rfc8785.dumps(detail)
