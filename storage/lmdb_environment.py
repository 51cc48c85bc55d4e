"""An LMDB environment that several processes use and that grows by itself.

LMDB's rules, kept here so that nobody else need know them:

- a process opens an environment once: all who open the same directory share one `Environment`;
- a map is enlarged only while this process has no transaction: a gate that readers pass with two
  list operations (about 0.1 us) and that the one who enlarges closes;
- another process may have enlarged it: `MapResizedError`, adopt the new size, begin again;
- a process that was killed leaves its reader slots: they are cleared at open and now and then;
- a file that is open goes on when another has taken its place, as when a backup is restored under a
  running server. What is written into it is gone with the process, and what its directory holds is
  another archive's: nothing is written once that is seen.

Transactions are short and never nested: whoever holds one must not ask for another.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import lmdb

from storage.errors import FormatVersion, OutOfSpace, Unavailable

INITIAL_MAP_BYTES = 16 << 30
"""Address space, not disk: the file is as long as what was ever written."""
TABLES_FORMAT = 3
OLDEST_TABLES_FORMAT = 1
"""... that can be opened, to be upgraded."""
MAX_READERS = 2046
FULL_DISK_BYTES = 16 << 20
READER_CHECK_S = 30.0
RESTART_S = 60.0
"""For how long nobody need try again whose server has to be started again."""

T = TypeVar("T")
Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Table: TypeAlias = "lmdb._Database"


class Tables:
    """The named databases: what is found under which key. LAYOUT.md draws the bytes."""

    COUNT = 23

    def __init__(self, environment: lmdb.Environment, transaction: Transaction) -> None:
        def table(name: str, *, dupsort: bool = False, dupfixed: bool = False) -> Table:
            return environment.open_db(
                name.encode(), txn=transaction, dupsort=dupsort, dupfixed=dupfixed
            )

        sets = {"dupsort": True, "dupfixed": True}
        self.about = table("about")
        """Name -> what holds for the whole index: format, counters, counts."""
        self.studies = table("studies")
        """Study UID -> StudyState."""
        self.ranks = table("ranks")
        """Rank -> what searches compare: terms and roll-up of the study."""
        self.study_documents = table("study_documents")
        """Study id -> document."""
        self.names = table("names")
        """Folded name -> name number."""
        self.name_numbers = table("name_numbers")
        """Name number -> folded name."""
        self.series = table("series")
        """Series UID -> SeriesState."""
        self.series_documents = table("series_documents")
        """Study id + series id -> SeriesSays."""
        self.instances = table("instances")
        """SOP Instance UID -> series id."""
        self.rows = table("rows")
        """Series id + SOP Instance UID -> Row."""
        self.manifests = table("manifests")
        """Series id -> instances."""
        self.metadata = table("metadata")
        """Series id -> metadata of the manifest's instances."""
        self.levels = table("levels")
        """Series id -> instance levels of the manifest's instances."""
        self.gone = table("gone")
        """Series id -> positions in the manifest that no longer count."""
        self.versions = table("versions")
        """SOP Instance UID + sequence -> one instance."""
        self.contents = table("contents")
        """Digest -> references and place."""
        self.packs = table("packs")
        """Pack -> live bytes, live blobs, retired."""
        self.changes = table("changes")
        """Last sequence number of the entry -> changes."""
        self.unsettled = table("unsettled")
        """Time of change + version -> series."""
        self.leases = table("leases")
        """Name -> holder and time."""
        self.notes = table("notes")
        """Name -> text that came with a revision."""
        self.postings = table("postings", **sets)
        """Attribute + term -> ranks of the studies that have it."""
        self.grams = table("grams", **sets)
        """Letters -> numbers of the names they occur in."""


class Gate:
    """Lets any number in, or one alone."""

    def __init__(self) -> None:
        self._inside: list[None] = []
        self._closed = False
        self._opened = threading.Event()
        self._alone = threading.Lock()

    def enter(self) -> None:
        # Append first, look second; the other side closes first and looks second. List operations
        # are atomic, so one of the two always sees the other.
        self._inside.append(None)
        while self._closed:
            self._inside.pop()
            self._opened.wait()
            self._inside.append(None)

    def leave(self) -> None:
        self._inside.pop()

    @property
    def wanted(self) -> bool:
        """Whether somebody waits to be alone: who stays long should leave and come again."""
        return self._closed

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._alone:
            self._opened.clear()
            self._closed = True
            try:
                while self._inside:
                    time.sleep(0.0002)
                yield
            finally:
                self._closed = False
                self._opened.set()


class Reading:
    """A read transaction for the time of a `with`."""

    __slots__ = ("_environment", "_transaction")

    def __init__(self, environment: "Environment") -> None:
        self._environment = environment

    def __enter__(self) -> Transaction:
        self._transaction = self._environment.begin()
        return self._transaction

    def __exit__(self, *_: object) -> None:
        self._transaction.abort()
        self._environment.gate.leave()


class Environment:
    """One per directory and process; made by `open_environment`, ended by `close`."""

    def __init__(self, directory: Path, *, map_bytes: int) -> None:
        self.directory = directory
        self.gate = Gate()
        self.users = 1
        directory.mkdir(parents=True, exist_ok=True)
        self._lmdb = lmdb.open(
            os.fspath(directory),
            map_size=map_bytes,
            max_dbs=Tables.COUNT,
            max_readers=MAX_READERS,
            max_spare_txns=32,
            meminit=False,
            # Pages are looked up all over the file: reading ahead reads what nobody asked for.
            readahead=False,
        )
        try:
            self._opened = self._in_place()
            self._lmdb.reader_check()
            self._readers_checked_at = time.monotonic()
            self.tables = self.write(lambda transaction: Tables(self._lmdb, transaction))
            self.found_format = self._format()
        except BaseException:
            self._lmdb.close()
            raise

    @property
    def file(self) -> Path:
        """What all of it lies in."""
        return self.directory / "data.mdb"

    def read(self) -> Reading:
        """`with environment.read() as transaction`: one moment's state."""
        return Reading(self)

    def begin(self) -> Transaction:
        """A read transaction, the gate passed; whoever ends it leaves the gate."""
        while True:
            self.gate.enter()
            try:
                return self._lmdb.begin()
            except lmdb.MapResizedError:
                self.gate.leave()
                self._adopt_size()
            except lmdb.ReadersFullError:
                self.gate.leave()
                if not self._lmdb.reader_check():
                    raise
            except BaseException:
                self.gate.leave()
                raise

    def write(self, work: Callable[[Transaction], T]) -> T:
        """What `work` returns, its changes durable. It is called again with a new transaction when
        the map had to be enlarged. Raises OutOfSpace, and Unavailable when another file has taken
        the place of this one; whatever is raised, nothing was changed."""
        while True:
            self.gate.enter()
            try:
                with self._lmdb.begin(write=True) as transaction:
                    if self._in_place() != self._opened:
                        raise Unavailable(
                            f"{self.file} is not the file that this process has open: the archive"
                            " was moved or replaced under it, so it has to be started again",
                            retry_after_s=RESTART_S,
                        )
                    return work(transaction)
            except lmdb.MapFullError:
                problem = self._enlarge
            except lmdb.MapResizedError:
                problem = self._adopt_size
            except lmdb.Error as error:
                if _disk_is_full(error, self.directory):
                    raise OutOfSpace(str(self.directory)) from error
                raise
            finally:
                self.gate.leave()
            problem()

    def check_readers(self) -> None:
        """Clears the slots of readers that were killed, when the last time is long ago. Their
        snapshots would keep every page written since from being used again."""
        now = time.monotonic()
        if now - self._readers_checked_at >= READER_CHECK_S:
            self._readers_checked_at = now
            self._lmdb.reader_check()

    def close(self) -> None:
        with _registry_lock:
            self.users -= 1
            if self.users:
                return
            _registry.pop(_name(self.directory), None)
            with self.gate.alone():
                self._lmdb.close()

    def _in_place(self) -> tuple[int, int] | None:
        """Device and inode of the file at the path, None when there is none."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _enlarge(self) -> None:
        with self.gate.alone():
            self._lmdb.set_mapsize(0)
            self._lmdb.set_mapsize(self._lmdb.info()["map_size"] * 2)

    def _adopt_size(self) -> None:
        with self.gate.alone():
            self._lmdb.set_mapsize(0)

    def _format(self) -> int:
        """Raises FormatVersion for one that this program cannot read."""

        def format_of(transaction: Transaction) -> int:
            found = transaction.get(b"format", db=self.tables.about)
            if found is None:
                found = b"%d" % TABLES_FORMAT
                transaction.put(b"format", found, db=self.tables.about)
            return int(found)

        found = self.write(format_of)
        if not OLDEST_TABLES_FORMAT <= found <= TABLES_FORMAT:
            raise FormatVersion(str(self.directory), found=found, expected=TABLES_FORMAT)
        return found


def open_environment(directory: Path, *, map_bytes: int = INITIAL_MAP_BYTES) -> Environment:
    """The environment in `directory`; the same one for everybody in this process."""
    with _registry_lock:
        environment = _registry.get(_name(directory))
        if environment is None:
            environment = Environment(directory, map_bytes=map_bytes)
            _registry[_name(directory)] = environment
        else:
            environment.users += 1
        return environment


_registry: dict[tuple[int, str], Environment] = {}
_registry_lock = threading.Lock()


def _name(directory: Path) -> tuple[int, str]:
    # A child process that was forked has its parent's registry, but must open for itself.
    return os.getpid(), str(directory.resolve())


def _disk_is_full(error: lmdb.Error, directory: Path) -> bool:
    if error.code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    # LMDB calls a write that ended early EIO, whatever the reason; on a full disk it is the disk.
    disk = os.statvfs(directory)
    return error.code == errno.EIO and disk.f_bavail * disk.f_frsize < FULL_DISK_BYTES
