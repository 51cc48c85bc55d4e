"""One process of all that work on a database does a job; when it dies another one does.

On SQLite a locked file beside the database, which the operating system lets go of with the process;
on PostgreSQL an advisory lock of a session of its own.
"""

import fcntl
import hashlib
import io
from pathlib import Path

import sqlalchemy as sa

from dicomweb_server.records.database import Database


class Election:
    """For the job called `name`. Not for several threads."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name
        self._file: io.TextIOWrapper | None = None
        self._session: sa.Connection | None = None

    def won(self) -> bool:
        """Whether this process is the one; it stays it until it ends or `resign`s, or until the
        connection to PostgreSQL breaks."""
        return self._won_file() if self._database.is_sqlite else self._won_lock()

    def resign(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def _won_file(self) -> bool:
        if self._file is not None:
            return True
        database = self._database.engine.url.database
        assert database is not None, "a database of SQLite is a file"
        file = Path(f"{database}.{self._name}.lock").open("w")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def _won_lock(self) -> bool:
        if self._session is not None:
            try:
                self._session.execute(sa.select(1))
                return True
            except sa.exc.DBAPIError:
                self._session.invalidate()
                self._session = None
        key = int.from_bytes(hashlib.sha256(self._name.encode()).digest()[:8], signed=True)
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        session = engine.connect()
        if not session.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            session.close()
            return False
        # Detached: closing it ends it, and with it the lock.
        session.detach()
        self._session = session
        return True
