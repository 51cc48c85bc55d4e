"""BlobStore on a local disk: payloads in append-only pack files, as LAYOUT.md lays them out.

A pack is written by one process, from its creation until it is sealed, and never opened for
writing again. Its writer holds a flock on it, so that any process can ask whether the writer
lives; a pack without that lock is sealed, also when its writer was killed. There is no other sign
of being sealed and so none that a crash could leave wrong.

Each payload is preceded by a header that says everything about it, so that a pack can be read
without the index. What the index needs, and which contents are referred to, is the index's.
"""

import ctypes
import errno
import fcntl
import os
import struct
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import xxhash

from storage.contract import PackWriter
from storage.errors import Corrupt, InUse, NotFound, OutOfSpace, StorageError, Unavailable
from storage.model import Buffer, Digest, Form, PackInfo, Place

ROLL_BYTES = 512 << 20
"""A landing pack that would grow beyond this is followed by another."""

OPEN_PACKS = 256
"""Packs kept open for reading."""

READY_BYTES = 4 << 20
"""Copying more than this takes longer than asking another thread to."""

BEGUN_BYTES = 64 << 10
"""Fewer are with the disk sooner when it is told once, by the sync: a page that is being written
cannot be appended to meanwhile."""

# Layout, all numbers little endian; LAYOUT.md has it as a table. Each header ends with its own
# xxh3-64. That of a record is seeded with a number drawn for the pack, so that a record is only
# one in the pack it was written to: bytes inside a payload (an archive of archives) are none.
_PACK = struct.Struct("<8sHHIQQ")
_RECORD = struct.Struct("<4sB3xQQQ32s")
_CHECK = struct.Struct("<Q")
_PACK_MAGIC = b"\x93DWPACK\n"
_RECORD_MAGIC = b"\x93REC"
_FORMAT = 1
_LANDING, _SERIES = 0, 1

PACK_HEADER = _PACK.size + _CHECK.size
RECORD_HEADER = _RECORD.size + _CHECK.size

_WINDOW = 1 << 20
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_PRUNE_EVERY_S = 10.0

_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
"""Linux's; None elsewhere. Without the flags that wait it does not, and what goes wrong with the
bytes is for fdatasync to say."""
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_SYNC_FILE_RANGE_WRITE = 2

_RWF_NOWAIT: int = getattr(os, "RWF_NOWAIT", 0)


def _name(pack: int) -> str:
    return f"pack {pack:016x}"


def _pack_header(*, kind: int, pack: int, seed: int) -> bytes:
    header = _PACK.pack(_PACK_MAGIC, _FORMAT, kind, 0, pack, seed)
    return header + _CHECK.pack(xxhash.xxh3_64_intdigest(header))


def _read_pack_header(descriptor: int, pack: int) -> tuple[int, int] | None:
    """Kind and seed; None when it is not the header of this pack."""
    try:
        header = os.pread(descriptor, PACK_HEADER, 0)
    except OSError:
        return None
    if len(header) < PACK_HEADER:
        return None
    magic, version, kind, _, number, seed = _PACK.unpack_from(header)
    (check,) = _CHECK.unpack_from(header, _PACK.size)
    whole = check == xxhash.xxh3_64_intdigest(header[: _PACK.size])
    if not whole or (magic, version, number) != (_PACK_MAGIC, _FORMAT, pack):
        return None
    return kind, seed


def _record_header(digest: Digest, place: Place, *, seed: int) -> bytes:
    header = _RECORD.pack(
        _RECORD_MAGIC, place.form, place.length, place.content_length, place.checksum, digest
    )
    return header + _CHECK.pack(xxhash.xxh3_64_intdigest(header, seed))


def _read_record_header(
    header: bytes, *, pack: int, seed: int, offset: int
) -> tuple[Digest, Place] | None:
    """What a record header at `offset` says; None when these bytes are not one of this pack."""
    if len(header) < RECORD_HEADER or not header.startswith(_RECORD_MAGIC):
        return None
    (check,) = _CHECK.unpack_from(header, _RECORD.size)
    if check != xxhash.xxh3_64_intdigest(header[: _RECORD.size], seed):
        return None
    _, form, length, content_length, checksum, digest = _RECORD.unpack_from(header)
    place = Place(
        pack=pack,
        offset=offset + RECORD_HEADER,
        length=length,
        form=Form(form),
        content_length=content_length,
        checksum=checksum,
    )
    return Digest(digest), place


def _write(descriptor: int, buffers: list[memoryview], offset: int) -> None:
    """Writes all buffers one after the other; a disk that fills up may take a part of them."""
    while buffers:
        written = os.pwritev(descriptor, buffers, offset)
        offset += written
        while buffers and written >= buffers[0].nbytes:
            written -= buffers.pop(0).nbytes
        if buffers:
            buffers[0] = buffers[0][written:]


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Pack:
    """A pack this process writes. Places are reserved one by one and written side by side."""

    def __init__(self, path: Path, descriptor: int, *, number: int, seed: int) -> None:
        self.path = path
        self.number = number
        self.end = PACK_HEADER
        self._begun = PACK_HEADER
        self._descriptor = descriptor
        self._seed = seed
        self._idle = threading.Condition()
        self._writing = 0
        self._written = 0
        self._durable = 0
        self._syncing = threading.Lock()

    @property
    def idle(self) -> bool:
        return self._writing == 0

    def reserve(self, length: int) -> int:
        """Where a record with a payload of `length` bytes begins; `write` must follow."""
        with self._idle:
            start = self.end
            self.end = start + RECORD_HEADER + length
            self._writing += 1
            return start

    def write(
        self, start: int, digest: Digest, payload: memoryview, *, form: Form, content_length: int
    ) -> Place:
        """Fills what was reserved. Raises OutOfSpace and Unavailable."""
        whole = False
        try:
            place = Place(
                pack=self.number,
                offset=start + RECORD_HEADER,
                length=payload.nbytes,
                form=form,
                content_length=content_length,
                checksum=xxhash.xxh3_64_intdigest(payload),
            )
            header = _record_header(digest, place, seed=self._seed)
            _write(self._descriptor, [memoryview(header), payload], start)
            whole = True
        except OSError as error:
            raise _refused(self.number, "written", error) from error
        finally:
            with self._idle:
                if not whole and self.end == start + RECORD_HEADER + payload.nbytes:
                    # Nothing was reserved behind it, so the pack ends before it again. Else it
                    # stays as a gap, which `scan` passes over.
                    with suppress(OSError):
                        os.ftruncate(self._descriptor, start)
                        self.end = start
                self._writing -= 1
                self._written += whole
                self._idle.notify_all()
        return place

    def begin_writing(self, least_bytes: int) -> None:
        """The kernel begins to write to the disk what was appended since the last time, unless that
        is less: its writing is a wait less then, and no thread is needed for it."""
        start, length = self._begun, self.end - self._begun
        if length >= least_bytes and _sync_file_range is not None:
            self._begun = self.end
            _sync_file_range(self._descriptor, start, length, _SYNC_FILE_RANGE_WRITE)

    def sync(self) -> None:
        """What was written before the call is durable on return; nothing to do once closed."""
        with self._syncing:
            written, end = self._written, self.end
            if self._descriptor >= 0 and self._durable != written:
                os.fdatasync(self._descriptor)
                self._durable = written
                self._begun = max(self._begun, end)

    def close(self) -> None:
        """Waits for the writes under way, syncs, and seals the pack by giving up its lock."""
        with self._idle:
            self._idle.wait_for(lambda: self.idle)
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Seals the pack as it is; a pack without records is taken away."""
        with self._syncing:
            if self._descriptor < 0:
                return
            if self.end == PACK_HEADER:
                with suppress(OSError):
                    self.path.unlink()
            self.forget()

    def forget(self) -> None:
        """Closes the file and nothing else: in a forked process the pack is its parent's."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class _PackWriter:
    """PackWriter on a pack of its own."""

    def __init__(self, pack: _Pack) -> None:
        self._pack = pack

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        view = memoryview(payload).cast("B")
        start = self._pack.reserve(view.nbytes)
        return self._pack.write(start, digest, view, form=form, content_length=content_length)

    def sync(self) -> None:
        try:
            self._pack.sync()
        except OSError as error:
            raise _refused(self._pack.number, "made durable", error) from error

    def seal(self) -> None:
        try:
            self._pack.close()
        except OSError as error:
            raise _refused(self._pack.number, "made durable", error) from error


def _refused(pack: int, what: str, error: OSError) -> StorageError:
    if error.errno in _FULL:
        return OutOfSpace(_name(pack))
    return Unavailable(f"{_name(pack)} could not be {what}: {error}", retry_after_s=60)


class _OpenPack:
    """A pack open for reading. Closed when the last holder lets go of it: the cache may drop it
    while another thread reads."""

    __slots__ = ("descriptor", "seed")

    def __init__(self, path: Path, pack: int) -> None:
        self.descriptor = -1
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound("pack", f"{pack:016x}") from None
        except OSError as error:
            reason = f"{_name(pack)} cannot be opened: {error}"
            raise Unavailable(reason, retry_after_s=1) from error
        said = _read_pack_header(self.descriptor, pack)
        self.seed = said[1] if said else None

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)

    @property
    def removed(self) -> bool:
        return os.fstat(self.descriptor).st_nlink == 0

    def read(self, offset: int, length: int, pack: int) -> bytes:
        """Fewer bytes only where the pack ends. Raises Corrupt when the disk cannot read them."""
        try:
            if length > READY_BYTES:
                # A damaged place must not ask for a buffer of its length.
                length = max(0, min(length, os.fstat(self.descriptor).st_size - offset))
            found = os.pread(self.descriptor, length, offset)
            while 0 < len(found) < length:
                more = os.pread(self.descriptor, length - len(found), offset + len(found))
                if not more:
                    break
                found += more
        except OSError as error:
            raise Corrupt(_name(pack), f"byte {offset} cannot be read: {error}") from error
        return found

    def read_into(self, offset: int, buffer: memoryview, pack: int) -> None:
        """Raises Corrupt when the disk cannot read as many bytes as the buffer has, or the pack
        ends before them."""
        found = 0
        try:
            while found < len(buffer):
                more = os.preadv(self.descriptor, [buffer[found:]], offset + found)
                if not more:
                    raise Corrupt(_name(pack), f"ends at byte {offset + found}, within a payload")
                found += more
        except OSError as error:
            raise Corrupt(_name(pack), f"byte {offset} cannot be read: {error}") from error


class PackStore:
    """BlobStore in the folder `packs` of `directory`, which is made when it is not there.

    roll_bytes  length at which a landing pack is followed by another

    Several processes may each have a store on one directory. A process that forks goes on with
    its landing pack; its child begins another.
    """

    def __init__(self, directory: Path, *, roll_bytes: int = ROLL_BYTES) -> None:
        self._packs = directory / "packs"
        if not self._packs.is_dir():
            self._packs.mkdir(parents=True, exist_ok=True)
            _sync_directory(directory)
        self._roll_bytes = roll_bytes
        self._last_number = 0
        self._landing: _Pack | None = None
        # Packs nothing more is appended to, each with the number of the first `pending` context
        # that cannot have appended to it: they are sealed when no earlier one is open.
        self._full: dict[_Pack, int] = {}
        self._pending: set[int] = set()
        self._next_pending = 0
        self._appended_at = 0.0
        self._written = 0
        self._durable = 0
        self._broken = ""
        self._sealed: dict[int, PackInfo] = {}
        self._readers: OrderedDict[int, _OpenPack] = OrderedDict()
        self._pruned_at = time.monotonic()
        self._begin_locks()
        _stores.add(self)

    def _begin_locks(self) -> None:
        self._lock = threading.Lock()
        self._synced = threading.Condition()
        self._sync_under_way = False
        self._readers_lock = threading.Lock()

    def forked(self) -> None:
        """In the child of a fork: the locks may be held by threads that are not here, and the
        packs are the parent's."""
        self._begin_locks()
        for pack in (*self._full, self._landing):
            if pack:
                pack.forget()
        self._landing, self._full, self._pending = None, {}, set()

    def append(self, digest: Digest, payload: Buffer, *, form: Form, content_length: int) -> Place:
        if self._broken:
            raise Unavailable(self._broken, retry_after_s=60)
        view = memoryview(payload).cast("B")
        with self._lock:
            pack = self._landing
            if pack and PACK_HEADER < pack.end > self._roll_bytes - RECORD_HEADER - view.nbytes:
                self._full[pack] = self._next_pending
                pack = None
            if pack is None:
                pack = self._landing = self._create(_LANDING)
            start = pack.reserve(view.nbytes)
            self._appended_at = time.monotonic()
        place = pack.write(start, digest, view, form=form, content_length=content_length)
        with self._synced:
            self._written += 1
        return place

    def begin_sync(self, *, least_bytes: int = 0) -> None:
        """For who is alone: threads side by side sync for one another anyway, each while the
        others compute."""
        with self._lock:
            landing = self._landing
            alone = len(self._pending) == 1 and not self._sync_under_way
        if alone and landing is not None:
            landing.begin_writing(max(least_bytes, BEGUN_BYTES))

    def sync(self) -> None:
        """Threads that wait together share one fdatasync.

        Raises Unavailable, now and ever after, when the disk refused: which of the bytes it lost
        cannot be told, and trying again would hide it, for the kernel reports such an error once.
        Nothing of what was not yet durable has been referred to; begin the process anew.
        """
        with self._synced:
            wanted = self._written
            while not self._broken and self._durable < wanted and self._sync_under_way:
                self._synced.wait()
            if self._broken:
                raise Unavailable(self._broken, retry_after_s=60)
            if self._durable >= wanted:
                return
            self._sync_under_way = True
            written = self._written
        try:
            with self._lock:
                full, landing = list(self._full), self._landing
            for pack in full:
                pack.sync()
            if landing:
                landing.sync()
            self._seal_full()
            self._durable = written
        except OSError as error:
            raise self._break(error) from error
        finally:
            with self._synced:
                self._sync_under_way = False
                self._synced.notify_all()

    def _seal_full(self, *, wait: bool = False) -> None:
        """Seals the full packs that no open context appended to; those with writes under way only
        when it shall `wait` for them."""
        with self._lock:
            oldest = min(self._pending, default=self._next_pending)
            full = [pack for pack, first in self._full.items() if first <= oldest]
        for pack in full:
            if wait or pack.idle:
                pack.close()
                with self._lock:
                    self._full.pop(pack, None)

    @contextmanager
    def pending(self) -> Iterator[None]:
        with self._lock:
            number = self._next_pending
            self._next_pending += 1
            self._pending.add(number)
        try:
            yield
        finally:
            with self._lock:
                self._pending.discard(number)
            try:
                self._seal_full()
            except OSError as error:
                raise self._break(error) from error

    def _break(self, error: OSError) -> Unavailable:
        self._broken = f"{self._packs} could not be made durable ({error}): restart the program"
        return Unavailable(self._broken, retry_after_s=60)

    def roll(self, *, idle_s: float = 0.0) -> None:
        with self._lock:
            landing = self._landing
            if landing is None or time.monotonic() - self._appended_at < idle_s:
                return
            self._landing = None
            self._full[landing] = self._next_pending
        try:
            self._seal_full(wait=True)
        except OSError as error:
            raise self._break(error) from error

    @contextmanager
    def new_pack(self) -> Iterator[PackWriter]:
        with self._lock:
            pack = self._create(_SERIES)
        writer = _PackWriter(pack)
        try:
            yield writer
            writer.seal()
        finally:
            pack.abandon()

    def _create(self, kind: int) -> _Pack:
        """A new pack, its name durable. Called under the lock. Raises OutOfSpace."""
        try:
            while True:
                number = self._last_number = max(self._last_number + 1, time.time_ns())
                path = self._path(number)
                path.parent.mkdir(exist_ok=True)
                descriptor = _make(path)
                if descriptor is not None:
                    break
            seed = int.from_bytes(os.urandom(8), "little")
            pack = _Pack(path, descriptor, number=number, seed=seed)
            try:
                header = _pack_header(kind=kind, pack=number, seed=seed)
                _write(descriptor, [memoryview(header)], 0)
                _sync_directory(path.parent)
                _sync_directory(self._packs)
            except OSError:
                pack.abandon()
                raise
        except OSError as error:
            if error.errno in _FULL:
                raise OutOfSpace(str(self._packs)) from error
            raise Unavailable(f"no pack can be made: {error}", retry_after_s=5) from error
        return pack

    def _path(self, pack: int) -> Path:
        # The last two digits of a time spread the packs over the folders; the first are all alike.
        name = f"{pack:016x}"
        return self._packs / name[-2:] / f"{name}.pack"

    def _open(self, pack: int) -> _OpenPack:
        if time.monotonic() - self._pruned_at > _PRUNE_EVERY_S:
            self._prune()
        with self._readers_lock:
            found = self._readers.get(pack)
            if found:
                self._readers.move_to_end(pack)
        if found is None:
            found = _OpenPack(self._path(pack), pack)
            with self._readers_lock:
                self._readers[pack] = found
                while len(self._readers) > OPEN_PACKS:
                    self._readers.popitem(last=False)
        return found

    def _prune(self) -> None:
        """Lets go of packs that were removed, by whatever process: until then their bytes stay
        on the disk."""
        self._pruned_at = time.monotonic()
        with self._readers_lock:
            for pack in [pack for pack, found in self._readers.items() if found.removed]:
                del self._readers[pack]

    def read(self, place: Place) -> bytes:
        payload = self._open(place.pack).read(place.offset, place.length, place.pack)
        _compare(place, payload)
        return payload

    def read_into(self, place: Place, buffer: memoryview) -> None:
        self._open(place.pack).read_into(place.offset, buffer, place.pack)
        _compare(place, buffer)

    def read_ready(self, place: Place) -> Buffer | None:
        """None also when the pack is not open yet or the payload is longer than READY_BYTES, and
        always where the kernel or the file system does not know RWF_NOWAIT."""
        pack = self._readers.get(place.pack)
        if pack is None or place.length > READY_BYTES or not _RWF_NOWAIT:
            return None
        # Memory that nobody has zeroed, which a bytearray's is.
        payload = np.empty(place.length, np.uint8).data
        try:
            found = os.preadv(pack.descriptor, [payload], place.offset, _RWF_NOWAIT)
        except OSError:
            # EAGAIN when it would wait; EOPNOTSUPP, EINVAL or ENOSYS when it is not known; and
            # what else may be wrong, `read` finds and says.
            return None
        if found < place.length:
            return None
        _compare(place, payload)
        return payload

    def read_part(self, place: Place, offset: int, length: int) -> bytes:
        if not 0 <= offset <= offset + length <= place.length:
            raise ValueError(f"bytes {offset} to {offset + length} of a payload of {place.length}")
        found = self._open(place.pack).read(place.offset + offset, length, place.pack)
        if len(found) < length:
            raise _too_short(place, len(found))
        return found

    def digest_at(self, place: Place) -> Digest:
        pack = self._open(place.pack)
        if pack.seed is None:
            raise Corrupt(_name(place.pack), "it does not begin with the header of this pack")
        start = place.offset - RECORD_HEADER
        header = pack.read(max(start, 0), RECORD_HEADER, place.pack)
        record = _read_record_header(header, pack=place.pack, seed=pack.seed, offset=start)
        if record is None or record[1] != place:
            said = f"a payload of {record[1].length} bytes" if record else "no record"
            raise Corrupt(
                _name(place.pack),
                f"{said} at byte {place.offset}, where one of {place.length} bytes was written",
            )
        if os.fstat(pack.descriptor).st_size < place.offset + place.length:
            raise _too_short(place, max(0, os.fstat(pack.descriptor).st_size - place.offset))
        return record[0]

    def packs(self) -> Sequence[PackInfo]:
        self._prune()
        found = {}
        for folder in os.scandir(self._packs):
            for file in os.scandir(folder) if folder.is_dir() else ():
                pack = _number(folder.name, file.name)
                if pack is None:
                    continue
                info = self._sealed.get(pack)
                if info is None:
                    with suppress(FileNotFoundError):
                        info, for_good = _look(Path(file), pack)
                        if for_good:
                            self._sealed[pack] = info
                if info:
                    found[pack] = info
        for pack in set(self._sealed) - found.keys():
            self._sealed.pop(pack, None)
        return [found[pack] for pack in sorted(found)]

    def scan(self, pack: int) -> Iterator[tuple[Digest, Place]]:
        return _records(_OpenPack(self._path(pack), pack), pack)

    def remove(self, pack: int, *, given_up: Callable[[], bool]) -> bool:
        path = self._path(pack)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            # Only a writer holds the lock for longer than a look (`_look`) takes.
            for _ in range(50):
                if _lock(descriptor, fcntl.LOCK_EX):
                    break
                time.sleep(0.002)
            else:
                raise InUse(_name(pack), "the process that appends to it")
            # Who has made the file and comes for its lock only now makes another (`_make`).
            if not given_up():
                return False
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        with self._readers_lock:
            self._readers.pop(pack, None)
        return True

    def close(self) -> None:
        self.roll()
        with self._readers_lock:
            self._readers.clear()


def _make(path: Path) -> int | None:
    """A new file, open and locked; None when it cannot be had by that name."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    except FileExistsError:
        return None
    # Without waiting: who has the lock may be giving up the file, as what a writer left that died,
    # and wait for a transaction in which somebody waits for us.
    mine = False
    try:
        mine = _lock(descriptor, fcntl.LOCK_EX) and os.fstat(descriptor).st_nlink > 0
    finally:
        if not mine:
            path.unlink(missing_ok=True)
            os.close(descriptor)
    return descriptor if mine else None


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _number(folder: str, file: str) -> int | None:
    """The number of the pack with these names; None when it is no pack."""
    try:
        pack = int(file.removesuffix(".pack"), 16)
    except ValueError:
        return None
    return pack if (folder, file) == (f"{pack & 0xFF:02x}", f"{pack:016x}.pack") else None


def _look(path: Path, pack: int) -> tuple[PackInfo, bool]:
    """What a pack is now, and whether it will be so for good."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Its writer takes the lock before it writes the header: a pack that has one and then is
        # found without the lock is sealed. One without may be on its way to its writer.
        begun = os.fstat(descriptor).st_size >= PACK_HEADER
        owned = not _lock(descriptor, fcntl.LOCK_SH)
        said = _read_pack_header(descriptor, pack)
        info = PackInfo(
            pack=pack,
            length=os.fstat(descriptor).st_size,
            sealed=not owned,
            owned=owned,
            landing=said is None or said[0] == _LANDING,
        )
        return info, begun and not owned
    finally:
        os.close(descriptor)


def _compare(place: Place, payload: Buffer) -> None:
    if len(payload) != place.length:
        raise _too_short(place, len(payload))
    if xxhash.xxh3_64_intdigest(payload) != place.checksum:
        raise Corrupt(
            _name(place.pack),
            f"{place.length} bytes at byte {place.offset} differ from what was written there",
        )


def _too_short(place: Place, found: int) -> Corrupt:
    return Corrupt(
        _name(place.pack),
        f"it ends {found} bytes into the payload of {place.length} at byte {place.offset}",
    )


def _records(file: _OpenPack, pack: int) -> Iterator[tuple[Digest, Place]]:
    """The whole records of a pack. A header that is whole says where the next one begins, even
    when its payload is not; else the next is looked for, byte by byte."""
    if file.seed is None:
        return
    length = os.fstat(file.descriptor).st_size
    offset = PACK_HEADER
    while offset + RECORD_HEADER <= length:
        header = file.read(offset, RECORD_HEADER, pack)
        record = _read_record_header(header, pack=pack, seed=file.seed, offset=offset)
        if record is None:
            offset = _next_magic(file, offset + 1, pack=pack, length=length)
            continue
        digest, place = record
        offset = place.offset + place.length
        if offset <= length and _is_whole(file, place):
            yield digest, place


def _next_magic(file: _OpenPack, offset: int, *, pack: int, length: int) -> int:
    """Where the next record may begin, from `offset` on; `length` when nowhere."""
    while offset < length:
        window = file.read(offset, _WINDOW, pack)
        found = window.find(_RECORD_MAGIC)
        if found >= 0:
            return offset + found
        if len(window) < _WINDOW:
            break
        offset += _WINDOW - len(_RECORD_MAGIC) + 1
    return length


def _is_whole(file: _OpenPack, place: Place) -> bool:
    state = xxhash.xxh3_64()
    for start in range(0, place.length, _WINDOW):
        length = min(_WINDOW, place.length - start)
        try:
            state.update(file.read(place.offset + start, length, place.pack))
        except Corrupt:
            return False
    return state.intdigest() == place.checksum


_stores: "weakref.WeakSet[PackStore]" = weakref.WeakSet()


def _after_fork() -> None:
    for store in list(_stores):
        store.forked()


os.register_at_fork(after_in_child=_after_fork)
