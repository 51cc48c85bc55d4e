"""The journal: many events in one transaction, none dropped, views counted."""

import threading
import time

import pytest
import sqlalchemy as sa

from dicomweb_server.access import journal as module
from dicomweb_server.access.audit import Event, verify
from dicomweb_server.access.caller import EVERYTHING, Caller
from dicomweb_server.access.errors import AuditUnavailable
from dicomweb_server.access.journal import Journal
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.records.database import Database

WHO = Caller("wang", EVERYTHING, session_id="s1")


def written(database: Database) -> list[AuditRow]:
    with database.read() as session:
        return list(session.scalars(sa.select(AuditRow).order_by(AuditRow.seq)))


def test_what_many_threads_note_is_all_there_in_a_chain_that_verifies(database: Database) -> None:
    journal = Journal(database, queue_events=50)

    def work(number: int) -> None:
        for each in range(100):
            journal.note(WHO, Event("query", f"{number} {each}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len({row.subject for row in written(database)}) == 800
    assert verify(database).checked == 800


def test_an_event_that_is_noted_now_is_written_when_that_returns(database: Database) -> None:
    journal = Journal(database)
    journal.note_now(WHO, Event("study.delete", "1.2"))
    assert [row.action for row in written(database)] == ["study.delete"]
    journal.close()


def test_who_waits_for_an_event_does_not_wait_for_more_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINGER_S", 3600.0)
    journal = Journal(database)
    journal.note(WHO, Event("query", "1"))
    journal.note_now(WHO, Event("study.delete", "1.2"))
    journal.note(WHO, Event("query", "2"))
    journal.flush()
    assert [row.subject for row in written(database)] == ["1", "1.2", "2"]
    for number in range(module.BATCH_EVENTS):  # a whole batch waits for nobody either
        journal.note(WHO, Event("query", str(number)))
    deadline = time.monotonic() + 30
    while len(written(database)) < 3 + module.BATCH_EVENTS and time.monotonic() < deadline:
        time.sleep(0.05)
    journal.note(WHO, Event("query", "last"))
    journal.close()
    assert len(written(database)) == 4 + module.BATCH_EVENTS


def test_the_first_view_is_an_event_and_more_are_a_number(database: Database) -> None:
    journal = Journal(database)
    assert not journal.counted(WHO, "study.view", "1.2")
    for _ in range(500):
        journal.count(WHO, "study.view", "1.2")
    assert journal.counted(WHO, "study.view", "1.2")
    journal.count(WHO, "study.view", "1.3")
    journal.count(Caller("li", EVERYTHING, session_id="s2"), "study.view", "1.2")
    journal.flush()
    assert [(row.actor, row.subject, row.detail) for row in written(database)] == [
        ("wang", "1.2", "{}"),
        ("wang", "1.3", "{}"),
        ("li", "1.2", "{}"),
    ]
    journal.ended("s1")
    journal.flush()
    (summary,) = written(database)[3:]
    assert (summary.actor, summary.subject) == ("wang", "1.2")
    assert '"more":500' in summary.detail
    journal.ended("s1")  # of what has ended already there is nothing more to say
    journal.close()
    assert len(written(database)) == 4


def test_a_long_session_is_summarised_now_and_then(database: Database) -> None:
    journal = Journal(database, summary_s=0.4)
    journal.count(WHO, "study.view", "1.2")
    until = time.monotonic() + 10
    while len(written(database)) < 3:
        assert time.monotonic() < until
        journal.count(WHO, "study.view", "1.2")
        time.sleep(0.02)
    journal.close()
    first, *more = written(database)
    assert first.detail == "{}"
    assert all('"more":' in row.detail and '"since":' in row.detail for row in more)


def test_closing_writes_what_waits_and_what_was_counted(database: Database) -> None:
    journal = Journal(database)
    for _ in range(3):
        journal.count(WHO, "study.view", "1.2")
    journal.note(WHO, Event("query", "study"))
    journal.close()
    assert [row.action for row in written(database)] == ["study.view", "query", "study.view"]


def test_a_full_queue_makes_wait_and_drops_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(database, queue_events=2)
    done = threading.Event()

    def work() -> None:
        for number in range(5):
            journal.note(WHO, Event("query", str(number)))
        done.set()

    with database.write() as session:  # the database is busy
        session.execute(sa.text("SELECT 1"))
        thread = threading.Thread(target=work)
        thread.start()
        assert not done.wait(0.5)
    assert done.wait(20)
    thread.join()
    journal.close()
    assert [row.subject for row in written(database)] == ["0", "1", "2", "3", "4"]


def test_what_cannot_be_noted_for_too_long_does_not_happen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.2)
    journal = Journal(database, queue_events=1)
    assert journal.is_at_ease
    with database.write() as session:
        session.execute(sa.text("SELECT 1"))
        journal.note(WHO, Event("query", "waits"))
        assert not journal.is_at_ease
        with pytest.raises(AuditUnavailable, match="1 events"):
            journal.note(WHO, Event("query", "does not happen"))
        with pytest.raises(AuditUnavailable):
            journal.count(WHO, "study.view", "1.2")
        assert not journal.counted(WHO, "study.view", "1.2")
    monkeypatch.undo()
    journal.close()
    assert [row.subject for row in written(database)] == ["waits"]


def test_a_database_that_fails_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    failing = [True, True, True]
    write = database.write

    def flaky() -> object:
        if failing:
            failing.pop()
            raise OSError("the disk is gone")
        return write()

    monkeypatch.setattr(database, "write", flaky)
    journal = Journal(database)
    journal.note_now(WHO, Event("query", "study"))
    journal.close()
    assert [row.subject for row in written(database)] == ["study"]


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "a" * 5000])
def test_whatever_somebody_asks_for_is_in_the_audit(database: Database, odd: str) -> None:
    journal = Journal(database)
    journal.note_now(Caller(odd, EVERYTHING), Event("query", odd, detail={"for": odd}))
    journal.note_now(WHO, Event("query", "number", detail={"n": 2**60, "x": float("nan")}))
    journal.close()
    assert verify(database).checked == 2


def test_an_end_with_nothing_to_note_waits_for_nothing(database: Database) -> None:
    journal = Journal(database)
    journal.count(WHO, "study.store", "1.2")
    assert journal.ended_ready("s1")
    assert not journal.counted(WHO, "study.store", "1.2"), "the end is the end of the count"
    for _ in range(2):
        journal.count(WHO, "study.store", "1.2")
    assert not journal.ended_ready("s1")
    journal.ended("s1")
    journal.flush()
    assert [row.detail[:9] for row in written(database)] == ["{}", "{}", '{"more":1']
    journal.close()
