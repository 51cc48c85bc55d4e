"""The relational database of persons, reports and audit: SQLite in the data directory, PostgreSQL.

One engine a process; any thread may call. `write` is one transaction, durable when the block has
ended. Writers wait for one another, so what a transaction reads nobody changes under it: on SQLite
by BEGIN IMMEDIATE (WAL, synchronous FULL), on PostgreSQL by a lock that is taken before the
transaction's snapshot is, above SERIALIZABLE. `read` is one snapshot and waits for nobody. The
schema is Alembic's (migrations/), the models are in the tables.py of the layers above; both
databases run the same of either.
"""

import fcntl
import logging
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from dicomweb_server.records.errors import NewerSchema, RecordsFull, RecordsUnavailable
from dicomweb_server.records.secret import Secret, new_secret, secret_of

MIGRATIONS = Path(__file__).with_name("migrations")
WAIT_S = 30
"""How long a write waits for another process's."""

ATTEMPTS = 8
"""How often a transaction is done again that another one got in the way of (PostgreSQL)."""

_LOCK_KEY = 0x4449_434F
"""Of the advisory lock under which one process at a time brings the schema up to date."""

Result = TypeVar("Result")


class Base(DeclarativeBase):
    """Base of every model."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """See the module."""

    def __init__(self, url: str, secret: Secret | None = None) -> None:
        """url     sqlite:///file, postgresql+psycopg://..., or sqlite:// for a database that is
                gone with this process
        secret  of the installation; None: one that is gone with this process

        Brings the schema up to date. Raises NewerSchema when a newer program made it, and
        RecordsUnavailable when the database cannot be reached.
        """
        self.url = url
        self.secret = secret or new_secret()
        self._passing = url == "sqlite://"
        if self._passing:
            # A file all the same: threads have connections of their own, as with the lasting one.
            directory = tempfile.mkdtemp(prefix="records-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
            url = f"sqlite:///{directory}/records.sqlite3"
        self.engine = _engine(url, durable=not self._passing)
        try:
            with _one_at_a_time(self.engine):
                _upgrade(self.engine)
        except BaseException as error:
            self.engine.dispose()
            if isinstance(error, OperationalError):
                raise RecordsUnavailable(f"{sa.make_url(url)!r}: {error.orig}") from error
            raise

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: durable when the block has ended, undone when it raises.

        Raises RecordsUnavailable when another one has been writing for WAIT_S, RecordsFull.
        """
        with Session(self.engine, expire_on_commit=False, info={"secret": self.secret}) as session:
            try:
                with session.begin():
                    if not self.is_sqlite:
                        # LOCK takes no snapshot: that is the first reading statement's, behind it.
                        session.execute(sa.text(f"SET LOCAL lock_timeout = '{WAIT_S}s'"))
                        session.execute(sa.text("LOCK TABLE alembic_version IN EXCLUSIVE MODE"))
                    yield session
            except OperationalError as error:
                if _is_full(error.orig):
                    raise RecordsFull(str(error.orig)) from error
                raise RecordsUnavailable(str(error.orig)) from error

    def writing(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns, done in one transaction; again if another one got in the way, which
        only a writer can do that is not of this program (PostgreSQL)."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.write() as session:
                    return work(session)
            except (DBAPIError, RecordsUnavailable) as error:
                cause = error if isinstance(error, DBAPIError) else error.__cause__
                state = getattr(getattr(cause, "orig", None), "sqlstate", "")
                if attempt == ATTEMPTS or state not in _AGAIN:
                    raise
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot, to be left before anything is waited for."""
        with Session(self._reading, expire_on_commit=False) as session:
            yield session

    @property
    def _reading(self) -> sa.Engine:
        if self.is_sqlite:
            return self.engine.execution_options(reading=True)
        return self.engine.execution_options(isolation_level="REPEATABLE READ")

    def close(self) -> None:
        self.engine.dispose()


def _is_full(error: BaseException | None) -> bool:
    """Whether the disk of the database is: SQLITE_FULL, or SQLSTATE disk_full."""
    return (
        getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(error, "sqlstate", None) == "53100"
    )


_AGAIN = frozenset({"40001", "40P01"})
"""SQLSTATE of serialization_failure and deadlock_detected."""


def open_database(url: str, *, directory: Path | None) -> Database:
    """The database that `url` names; when that is empty, records.sqlite3 of `directory`.

    directory  the archive's, where the secret lies; None: nothing outlives this process
    """
    if directory is None:
        return Database(url or "sqlite://")
    return Database(url or f"sqlite:///{directory / 'records.sqlite3'}", secret_of(directory))


def _engine(url: str, *, durable: bool) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url, isolation_level="SERIALIZABLE", pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, record: object) -> None:
        # sqlite3 would begin transactions by itself, and later than a transaction begins.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _one_at_a_time(engine: sa.Engine) -> Iterator[None]:
    """Several processes start together: one brings the schema up to date, the others wait."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK_KEY)))
            connection.commit()
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK_KEY)))
                connection.commit()
        return
    assert engine.url.database is not None
    with Path(engine.url.database + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _newest() -> str:
    """The newest revision that this program knows: files are named `r0001_access.py`."""
    return max(path.name[1:5] for path in (MIGRATIONS / "versions").glob("r*.py"))


def _is_current(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return False
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return bool(found == _newest())


def _upgrade(engine: sa.Engine) -> None:
    if _is_current(engine):
        return
    # Alembic takes half a second to import, of every process that starts; so only when needed.
    # It tells of its plugins while it is imported.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from alembic import command
    from alembic.config import Config as AlembicConfig
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    configuration = AlembicConfig()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        script = ScriptDirectory.from_config(configuration)
        found = MigrationContext.configure(connection).get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if found is not None and found not in known:
            raise NewerSchema(found=found, newest=script.get_current_head() or "")
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
