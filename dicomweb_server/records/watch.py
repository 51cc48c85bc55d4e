"""Whether a database has changed: who waits for others' transactions looks many times a second, and
a query through SQLAlchemy takes 2 ms.

SQLite tells a connection when others have committed (PRAGMA data_version), in some 10 us. There is
nothing as cheap to ask PostgreSQL, which has always changed.
"""

from sqlalchemy import PoolProxiedConnection

from dicomweb_server.records.database import Database


class Watch:
    """Not for several threads. Holds a connection until it is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._version: object = None

    def has_changed(self) -> bool:
        """Whether anything may have been written since this was last asked."""
        if not self._database.is_sqlite:
            return True
        if self._connection is None:
            self._connection = self._database.engine.raw_connection()
        cursor = self._connection.cursor()
        cursor.execute("PRAGMA data_version")
        before, self._version = self._version, cursor.fetchone()
        cursor.close()
        return self._version != before

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            # Another connection counts from another number on.
            self._connection = self._version = None
