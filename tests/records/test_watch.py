"""Whether a database has changed, on both kinds."""

from contextlib import suppress
from datetime import UTC, datetime

from dicomweb_server.access.tables import PersonRow
from dicomweb_server.records.database import Database
from dicomweb_server.records.watch import Watch


def person(name: str) -> PersonRow:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return PersonRow(person_id=name, name=name, rank=0, created_at=made)


def write(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(person(name))


def test_what_others_commit_is_a_change_once(database: Database) -> None:
    watch = Watch(database)
    assert watch.has_changed()  # what was there before nobody has looked at
    assert watch.has_changed() is not database.is_sqlite
    write(database, "A")
    write(database, "B")
    assert watch.has_changed()
    assert watch.has_changed() is not database.is_sqlite
    write(database, "C")
    assert watch.has_changed()
    watch.close()
    assert watch.has_changed()  # with another connection it begins anew
    watch.close()


def test_what_is_undone_or_only_read_is_none(database: Database) -> None:
    watch = Watch(database)
    watch.has_changed()
    with suppress(ZeroDivisionError), database.write() as session:
        session.add(person("A"))
        session.flush()
        raise ZeroDivisionError
    with database.read() as session:
        assert session.get(PersonRow, "A") is None
    assert watch.has_changed() is not database.is_sqlite
    watch.close()
