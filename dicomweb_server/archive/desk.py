"""What the archive has been asked to do and what is awaited: a small SQLite file of the data
directory. Orders and performed steps are read by orders.py, what is to be sent and fetched by
transfers.py, promises of storage by commitments.py.

WAL with synchronous FULL: what is acknowledged survives kill -9 and power loss. Every process has
its own connection; a write is one short BEGIN IMMEDIATE. The schema has a version and grows by
steps; a newer one than this program knows is refused.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicomweb_server.access.acting import Acting
from dicomweb_server.archive.archive import Archive
from storage.errors import FormatVersion, OutOfSpace

FILE = "desk.sqlite3"

STEPS = (
    """
    CREATE TABLE orders (
        id TEXT PRIMARY KEY,
        status TEXT NOT NULL,
        accession TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        station TEXT NOT NULL,
        modality TEXT NOT NULL,
        scheduled TEXT NOT NULL,
        patient_id TEXT NOT NULL,
        document TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        changed_us INTEGER NOT NULL,
        started_us INTEGER,
        completed_us INTEGER,
        completed_by TEXT
    );
    CREATE INDEX orders_by_time ON orders (status, scheduled);
    CREATE UNIQUE INDEX orders_by_study ON orders (study_uid);
    CREATE INDEX orders_by_accession ON orders (accession);
    CREATE TABLE performed_steps (
        instance_uid TEXT PRIMARY KEY,
        order_id TEXT,
        study_uid TEXT NOT NULL,
        status TEXT NOT NULL,
        sender TEXT NOT NULL,
        document TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        changed_us INTEGER NOT NULL
    );
    CREATE TABLE arrivals (
        study_uid TEXT PRIMARY KEY,
        first_us INTEGER NOT NULL,
        last_us INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX arrivals_open ON arrivals (done, last_us);
    CREATE TABLE commitments (
        id INTEGER PRIMARY KEY,
        transaction_uid TEXT NOT NULL,
        peer TEXT NOT NULL,
        wanted TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_us INTEGER NOT NULL,
        error TEXT NOT NULL DEFAULT '',
        created_us INTEGER NOT NULL,
        UNIQUE (transaction_uid, peer)
    );
    CREATE INDEX commitments_due ON commitments (state, due_us);
    CREATE TABLE transfers (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        peer TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        series_uid TEXT NOT NULL,
        instance_uid TEXT NOT NULL,
        urgent INTEGER NOT NULL,
        wish TEXT NOT NULL,
        transaction_uid TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_us INTEGER NOT NULL,
        error TEXT NOT NULL DEFAULT '',
        created_us INTEGER NOT NULL,
        done_us INTEGER
    );
    CREATE INDEX transfers_due ON transfers (state, peer, urgent, due_us, id);
    CREATE UNIQUE INDEX transfers_once ON transfers
        (kind, peer, study_uid, series_uid, instance_uid) WHERE state = 'waiting';
    CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    """,
    "CREATE INDEX performed_steps_by_study ON performed_steps (study_uid, status);",
    "CREATE INDEX performed_steps_by_order ON performed_steps (order_id, status);",
    # What a pull asks for was part of its wish, so that all pulls by query of a peer were one.
    """
    ALTER TABLE transfers ADD COLUMN query TEXT NOT NULL DEFAULT '{}';
    UPDATE transfers SET query = json_extract(wish, '$.query')
        WHERE kind = 'pull' AND study_uid = '';
    UPDATE transfers SET wish = json_remove(wish, '$.query') WHERE kind = 'pull';
    DROP INDEX transfers_once;
    CREATE UNIQUE INDEX transfers_once ON transfers
        (kind, peer, study_uid, series_uid, instance_uid, query) WHERE state = 'waiting';
    """,
    "ALTER TABLE transfers ADD COLUMN times INTEGER NOT NULL DEFAULT 1;",
    # A performed step was of one study and order; it may perform several scheduled steps.
    """
    CREATE TABLE scheduled_steps (
        instance_uid TEXT NOT NULL,
        study_uid TEXT NOT NULL,
        accession TEXT NOT NULL,
        order_id TEXT,
        PRIMARY KEY (instance_uid, study_uid, accession)
    );
    INSERT OR IGNORE INTO scheduled_steps
        SELECT instance_uid,
               json_extract(item.value, '$."0020000D".Value[0]'),
               ifnull(json_extract(item.value, '$."00080050".Value[0]'), ''),
               CASE item.key WHEN 0 THEN order_id END
        FROM performed_steps, json_each(document, '$."00400270".Value') AS item;
    CREATE TABLE steps_alone (
        instance_uid TEXT PRIMARY KEY,
        status TEXT NOT NULL,
        sender TEXT NOT NULL,
        document TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        changed_us INTEGER NOT NULL
    );
    INSERT INTO steps_alone
        SELECT instance_uid, status, sender, document, created_us, changed_us FROM performed_steps;
    DROP TABLE performed_steps;
    ALTER TABLE steps_alone RENAME TO performed_steps;
    CREATE INDEX scheduled_steps_by_study ON scheduled_steps (study_uid);
    CREATE INDEX scheduled_steps_by_order ON scheduled_steps (order_id);
    """,
)
"""What takes the schema from version n to n + 1; a step is never changed once it was released."""


class Desk(Acting):
    """One process's connection; any thread may call."""

    def __init__(self, path: Path | None) -> None:
        """path  of the file; None keeps everything in this process's memory.

        Raises FormatVersion when a newer program wrote it.
        """
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.write() as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(STEPS):
                raise FormatVersion(str(path), found=version, expected=len(STEPS))
            for number, step in enumerate(STEPS[version:], version + 1):
                for statement in filter(str.strip, step.split(";")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block has ended; undone when it raises. Raises
        OutOfSpace when the disk is full."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:  # SQLite ends it itself when the disk is full
                    self._connection.execute("ROLLBACK")
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                    raise OutOfSpace(FILE) from error
                raise

    def read(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """The rows of one SELECT."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def mark(self, name: str) -> int:
        """How far a reader of the change feed has come; 0 when it has not begun."""
        rows = self.read("SELECT value FROM marks WHERE name = ?", name)
        return int(rows[0]["value"]) if rows else 0

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def set_mark(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Moves a mark, in the transaction of what was done up to there."""
    connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def open_desk(archive: Archive) -> Desk:
    """The desk of an archive, made when there is none; who sees the archive sees the desk."""
    desk = Desk(archive.directory and archive.directory / FILE)
    desk.caller, desk.journal = archive.caller, archive.journal
    return desk
