"""The relational database: transactions that wait for one another, snapshots, one schema."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import dicomweb_server.reading.emission_tables
import dicomweb_server.reading.tables  # noqa: F401
from dicomweb_server.access.tables import PersonRow
from dicomweb_server.records.append_only import make_append_only
from dicomweb_server.records.database import Base, Database, open_database
from dicomweb_server.records.errors import NewerSchema, RecordsFull, RecordsUnavailable
from dicomweb_server.records.secret import FILE, Secret, secret_of


def person(name: str) -> PersonRow:
    made = datetime(2026, 11, 25, 8, 0, 0, 1, tzinfo=timezone(timedelta(hours=8)))
    return PersonRow(person_id=name, name=name, rank=0, created_at=made)


def has_a_model(thing: object, name: str, kind: str, reflected: bool, compared_to: object) -> bool:
    """Tables and indexes without a model are for statements of their own."""
    return kind not in ("table", "index") or not reflected or compared_to is not None


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    with database.engine.connect() as connection:
        opts = {"compare_type": True, "include_object": has_a_model}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, Base.metadata) == []


def test_what_is_raised_in_a_transaction_undoes_it(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.add(person("A"))
        session.flush()
        raise ZeroDivisionError
    with database.read() as session:
        assert session.get(PersonRow, "A") is None


def test_a_moment_comes_back_aware_in_utc_to_the_microsecond(database: Database) -> None:
    with database.write() as session:
        session.add(person("A"))
    with database.read() as session:
        found = session.get_one(PersonRow, "A").created_at
    assert found == datetime(2026, 11, 25, 0, 0, 0, 1, tzinfo=UTC)
    assert found.utcoffset() == timedelta(0)


def test_writers_wait_for_one_another_and_none_of_them_is_lost(database: Database) -> None:
    """Each reads the rank and writes one more: without waiting, some would write the same."""
    with database.write() as session:
        session.add(person("A"))

    def work() -> None:
        for _ in range(5):
            with database.write() as session:
                row = session.get_one(PersonRow, "A")
                row.licence = str(int(row.licence or 0) + 1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with database.read() as session:
        assert session.get_one(PersonRow, "A").licence == "40"


def test_a_reader_sees_one_snapshot_and_waits_for_no_writer(database: Database) -> None:
    with database.write() as session:
        session.add(person("A"))
    with database.read() as reading:
        reading.get_one(PersonRow, "A")
        with database.write() as session:
            session.add(person("B"))
            session.flush()
            assert reading.get(PersonRow, "B") is None
        assert reading.get(PersonRow, "B") is None
    with database.read() as reading:
        assert reading.get(PersonRow, "B") is not None


@pytest.mark.parametrize(
    "statement", ["UPDATE kept SET n = 2", "DELETE FROM kept", "TRUNCATE kept"]
)
def test_an_append_only_table_refuses_every_change(database: Database, statement: str) -> None:
    if statement.startswith("TRUNCATE") and database.is_sqlite:
        pytest.skip("SQLite has no TRUNCATE")
    with database.write() as session:
        session.execute(sa.text("CREATE TABLE kept (n INTEGER PRIMARY KEY)"))
        make_append_only(session.connection(), "kept")
        session.execute(sa.text("INSERT INTO kept VALUES (1)"))
    with (
        pytest.raises(sa.exc.IntegrityError, match="kept is append-only"),
        database.write() as session,
    ):
        session.execute(sa.text(statement))
    with database.read() as session:
        assert session.scalars(sa.text("SELECT n FROM kept")).all() == [1]


def test_a_schema_that_a_newer_program_made_is_refused_by_name(records_url: str) -> None:
    database = Database(records_url)
    with database.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(NewerSchema, match="schema 9999"):
        Database(records_url)


def test_several_processes_that_start_together_make_one_schema(records_url: str) -> None:
    opened: list[Database] = []
    threads = [
        threading.Thread(target=lambda: opened.append(Database(records_url))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(opened) == 4
    for database in opened:
        database.close()


def test_a_database_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable, match="nowhere"):
        Database(f"postgresql+psycopg://tests@/nowhere?host={tmp_path}")


def test_a_disk_that_is_full_is_named_and_written_to_again_once_there_is_room(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path}/records.sqlite3")

    def added(name: str, *, pages: int) -> None:
        with database.write() as session:
            # Of the connection, of which the pool has one.
            session.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
            session.add_all([person(f"{name}{number}") for number in range(1000)])

    with pytest.raises(RecordsFull, match="no space left for the records"):
        added("A", pages=1)
    added("B", pages=100_000)
    with database.read() as session:
        assert session.get(PersonRow, "A0") is None
        assert session.get(PersonRow, "B999") is not None
    database.close()


def test_a_password_is_not_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(RecordsUnavailable) as caught:
        Database(f"postgresql+psycopg://tests:geheim@/nowhere?host={tmp_path}")
    assert "geheim" not in str(caught.value)


def test_a_database_in_memory_serves_every_thread_and_is_gone_with_the_process() -> None:
    database = open_database("", directory=None)
    found: list[PersonRow | None] = []
    with database.write() as session:
        session.add(person("A"))

    def work() -> None:
        with database.read() as session:
            found.append(session.get(PersonRow, "A"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] is not None
    database.close()
    again = open_database("", directory=None)
    with again.read() as session:
        assert session.get(PersonRow, "A") is None
    again.close()


# --- the secret -----------------------------------------------------------------------------------


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = secret_of(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert secret_of(tmp_path).key("audit") == first.key("audit") != first.key("other")
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_what_was_sealed_opens_for_its_purpose_and_with_its_secret_only() -> None:
    secret = Secret(b"1" * 32)
    sealed = secret.sealed(b"plain", purpose="a")
    assert secret.opened(sealed, purpose="a") == b"plain"
    for other, purpose in ((secret, "b"), (Secret(b"2" * 32), "a")):
        with pytest.raises(RecordsUnavailable, match=FILE):
            other.opened(sealed, purpose=purpose)


def test_a_secret_of_another_length_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"short")
    with pytest.raises(RecordsUnavailable, match="holds 5 bytes"):
        secret_of(tmp_path)
