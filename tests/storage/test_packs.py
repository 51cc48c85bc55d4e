"""What PackStore promises beyond the contract: crashes, damage, full disks, many processes."""

import errno
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from storage import packs
from storage.contract import BlobStore
from storage.errors import Corrupt, InUse, NotFound, OutOfSpace, Unavailable
from storage.model import Form, Place
from storage.packs import PACK_HEADER, RECORD_HEADER, PackStore
from storage.testing.blobs import BlobStoreContract, append, digest_of


class TestPackStore(BlobStoreContract):
    def open(self, directory: Path) -> BlobStore:
        return PackStore(directory)


class TestPackStoreWithManyPacks(BlobStoreContract):
    """Nearly every append begins a pack, nearly every read opens one."""

    @pytest.fixture(autouse=True)
    def few_open_packs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(packs, "OPEN_PACKS", 2)

    def open(self, directory: Path) -> BlobStore:
        return PackStore(directory)


def file_of(directory: Path, pack: int) -> Path:
    return directory / "packs" / f"{pack & 0xFF:02x}" / f"{pack:016x}.pack"


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process of its own that runs `program` in the project."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def store(tmp_path: Path) -> PackStore:
    return PackStore(tmp_path)


def test_a_pack_lies_in_the_folder_of_its_last_two_digits(tmp_path: Path, store: PackStore) -> None:
    _, place = append(store, b"x")
    assert [*tmp_path.rglob("*.pack")] == [file_of(tmp_path, place.pack)]


def test_numbers_ascend_with_time_and_across_stores(tmp_path: Path) -> None:
    before = time.time_ns()
    numbers = [append(PackStore(tmp_path), b"x")[1].pack for _ in range(5)]
    assert before < numbers[0] <= numbers[-1] < time.time_ns()
    assert numbers == sorted(set(numbers))


def test_a_clock_that_stands_still_gives_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    stores = [PackStore(tmp_path) for _ in range(3)]
    assert len({append(store, b"x")[1].pack for store in stores}) == 3


def test_a_landing_pack_that_is_full_is_followed_by_another(tmp_path: Path) -> None:
    store = PackStore(tmp_path, roll_bytes=10_000)
    places = [append(store, os.urandom(3_000))[1] for _ in range(10)]
    assert [len([p for p in places if p.pack == n]) for n in sorted({p.pack for p in places})] == [
        3,
        3,
        3,
        1,
    ]
    store.sync()
    assert [info.owned for info in store.packs()] == [False, False, False, True]
    assert all(info.length <= 10_000 for info in store.packs())


def test_a_payload_larger_than_a_pack_gets_a_pack_of_its_own(tmp_path: Path) -> None:
    store = PackStore(tmp_path, roll_bytes=1_000)
    contents = [os.urandom(5_000), b"small", os.urandom(5_000)]
    places = [append(store, content)[1] for content in contents]
    assert [store.read(place) for place in places] == contents
    assert len({place.pack for place in places}) == 3


def test_another_process_reads_what_was_appended(tmp_path: Path, store: PackStore) -> None:
    _, place = append(store, b"shared")
    other = PackStore(tmp_path)
    assert other.read(place) == b"shared"
    assert other.digest_at(place) == digest_of(b"shared")
    assert other.packs() == store.packs()


def test_a_pack_somebody_appends_to_is_not_removed(tmp_path: Path, store: PackStore) -> None:
    _, place = append(store, b"mine")
    for remover in (store, PackStore(tmp_path)):
        with pytest.raises(InUse, match=f"{place.pack:016x} is held by the process that appends"):
            remover.remove(place.pack, given_up=lambda: True)
    assert store.read(place) == b"mine"


def test_a_pack_without_records_is_not_left_behind(tmp_path: Path, store: PackStore) -> None:
    with store.new_pack():
        pass
    with pytest.raises(ZeroDivisionError), store.new_pack():
        raise ZeroDivisionError
    assert [*tmp_path.rglob("*.pack")] == []


def test_closing_seals(tmp_path: Path, store: PackStore) -> None:
    _, place = append(store, b"x")
    store.close()
    store.close()
    other = PackStore(tmp_path)
    assert [info.sealed for info in other.packs()] == [True]
    assert other.read(place) == b"x"


def test_the_disk_is_given_back_although_a_reader_had_the_pack_open(
    tmp_path: Path, store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = append(store, b"x" * 1000)
    store.roll()
    reader = PackStore(tmp_path)
    reader.read(place)
    store.remove(place.pack, given_up=lambda: True)
    assert reader.read(place) == b"x" * 1000, "its content cannot have changed"
    monkeypatch.setattr(packs, "_PRUNE_EVERY_S", 0.0)
    with pytest.raises(NotFound):
        reader.read(place)


def test_a_reader_keeps_its_pack_while_the_cache_drops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "OPEN_PACKS", 3)
    store = PackStore(tmp_path, roll_bytes=1)
    contents = [os.urandom(50_000) for _ in range(12)]
    places = [append(store, content)[1] for content in contents]
    store.sync()
    open_before = len([*Path("/proc/self/fd").iterdir()])
    wrong: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(200):
            n = chance.randrange(12)
            if store.read(places[n]) != contents[n]:
                wrong.append(n)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len([*Path("/proc/self/fd").iterdir()]) <= open_before + 3


def test_read_ready_gives_what_the_page_cache_holds(store: PackStore) -> None:
    content = os.urandom(300_000)
    _, place = append(store, content)
    if packs._RWF_NOWAIT and store.read(place):
        assert store.read_ready(place) == content


def test_read_ready_gives_up_where_the_kernel_cannot_promise_not_to_wait(
    store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, place = append(store, b"x")
    store.read(place)
    for number in (11, 22, 38, 95):

        def refuse(*_: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "preadv", refuse)
        assert store.read_ready(place) is None
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    assert store.read_ready(place) is None
    monkeypatch.setattr(packs, "_RWF_NOWAIT", 0)
    assert store.read_ready(place) is None


# Damage


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x10]))


def test_a_flipped_bit_in_a_payload_is_corrupt_and_hides_no_neighbour(
    tmp_path: Path, store: PackStore
) -> None:
    appended = [append(store, os.urandom(1_000)) for _ in range(3)]
    damaged = appended[1][1]
    flip(file_of(tmp_path, damaged.pack), damaged.offset + 500)
    with pytest.raises(Corrupt, match=f"1000 bytes at byte {damaged.offset} differ"):
        store.read(damaged)
    assert store.digest_at(damaged) == appended[1][0]
    assert list(store.scan(damaged.pack)) == [appended[0], appended[2]]


@pytest.mark.parametrize("at", range(0, RECORD_HEADER, 7))
def test_a_flipped_bit_in_a_record_header_costs_no_payload(
    tmp_path: Path, store: PackStore, at: int
) -> None:
    appended = [append(store, os.urandom(1_000)) for _ in range(3)]
    damaged = appended[1][1]
    flip(file_of(tmp_path, damaged.pack), damaged.offset - RECORD_HEADER + at)
    assert len(store.read(damaged)) == 1_000
    with pytest.raises(Corrupt, match=f"no record at byte {damaged.offset}"):
        store.digest_at(damaged)
    assert list(store.scan(damaged.pack)) == [appended[0], appended[2]]


def test_a_flipped_bit_in_the_pack_header_costs_no_payload(
    tmp_path: Path, store: PackStore
) -> None:
    _, place = append(store, b"content")
    store.roll()
    flip(file_of(tmp_path, place.pack), 17)
    again = PackStore(tmp_path)
    assert again.read(place) == b"content"
    with pytest.raises(Corrupt, match="does not begin with the header of this pack"):
        again.digest_at(place)
    assert list(again.scan(place.pack)) == []
    assert [info.sealed for info in again.packs()] == [True]


@pytest.mark.parametrize("cut", [1, 999, 1_000, 1_001, 1_000 + RECORD_HEADER])
def test_a_torn_tail_leaves_what_was_whole(tmp_path: Path, store: PackStore, cut: int) -> None:
    appended = [append(store, os.urandom(1_000)) for _ in range(3)]
    store.roll()
    last = appended[2][1]
    file = file_of(tmp_path, last.pack)
    os.truncate(file, file.stat().st_size - cut)
    again = PackStore(tmp_path)
    assert list(again.scan(last.pack)) == appended[:2]
    with pytest.raises(Corrupt):
        again.read(last)
    with pytest.raises(Corrupt):
        again.digest_at(last)
    with pytest.raises(Corrupt):
        again.read_part(last, 0, 1_000)


@pytest.mark.parametrize("length", [0, 1, PACK_HEADER - 1, PACK_HEADER])
def test_a_pack_whose_writer_died_at_birth_is_empty(
    tmp_path: Path, store: PackStore, length: int
) -> None:
    _, place = append(store, b"x")
    store.roll()
    os.truncate(file_of(tmp_path, place.pack), length)
    again = PackStore(tmp_path)
    assert [(info.length, info.sealed) for info in again.packs()] == [(length, True)]
    assert list(again.scan(place.pack)) == []
    again.remove(place.pack, given_up=lambda: True)
    assert again.packs() == []


def test_a_gap_between_two_records_is_passed_over(tmp_path: Path, store: PackStore) -> None:
    # As kill -9 leaves it between two appends side by side: zeros, then a whole record.
    appended = [append(store, os.urandom(3_000_000)) for _ in range(3)]
    gap = appended[1][1]
    with file_of(tmp_path, gap.pack).open("r+b") as file:
        file.seek(gap.offset - RECORD_HEADER)
        file.write(bytes(RECORD_HEADER + gap.length))
    assert list(store.scan(gap.pack)) == [appended[0], appended[2]]


@pytest.mark.parametrize("before", range(5))
def test_the_record_after_a_gap_is_found_wherever_it_begins(
    tmp_path: Path, store: PackStore, before: int
) -> None:
    # The magic lies across the border of two windows of the search.
    length = (1 << 20) - RECORD_HEADER - before
    gap, after = append(store, bytes(length))[1], append(store, b"after")
    with file_of(tmp_path, gap.pack).open("r+b") as file:
        file.seek(gap.offset - RECORD_HEADER)
        file.write(bytes(RECORD_HEADER))
    assert list(store.scan(gap.pack)) == [after]


def test_a_pack_inside_a_payload_is_no_record(tmp_path: Path, store: PackStore) -> None:
    _, inner = append(store, b"inner")
    store.roll()
    archive = file_of(tmp_path, inner.pack).read_bytes()
    _, outer = append(store, archive)
    last = append(store, b"last")
    flip(file_of(tmp_path, outer.pack), outer.offset - RECORD_HEADER)
    assert list(store.scan(outer.pack)) == [last]


def test_strange_files_are_no_packs(tmp_path: Path, store: PackStore) -> None:
    _, place = append(store, b"x")
    folder = file_of(tmp_path, place.pack).parent
    (folder / "readme.pack").write_text("hello")
    (folder / f"{place.pack ^ 1:016x}.pack").write_text("in the folder of another")
    (folder / "x.tmp").write_text("hello")
    assert [info.pack for info in store.packs()] == [place.pack]


# A full disk


LIMITED = """
import json, os, resource, sys, threading
from pathlib import Path
from storage.errors import OutOfSpace
from storage.packs import PackStore
from storage.testing.blobs import append

limit = 400_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
store = PackStore(Path(sys.argv[1]))
kept, refused = [], []

def work(n):
    for size in (90_000, 50_000, 70_000, 30_000, 10_000, 5_000) * 3:
        content = bytes([n]) * size
        try:
            digest, place = append(store, content)
        except OutOfSpace as error:
            refused.append(str(error))
        else:
            assert store.read(place) == content
            kept.append((digest.hex(), place.offset))

threads = [threading.Thread(target=work, args=(n,)) for n in range(int(sys.argv[2]))]
[t.start() for t in threads]
[t.join() for t in threads]
store.sync()
print(json.dumps([kept, refused]))
"""


@pytest.mark.parametrize("threads", [1, 4])
def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path, threads: int) -> None:
    with run(LIMITED, str(tmp_path), str(threads)) as process:
        kept, refused = json.loads(process.communicate(timeout=60)[0])
    assert kept
    assert refused
    assert all("no space left on the disk that holds pack" in sentence for sentence in refused)
    store = PackStore(tmp_path)
    (info,) = store.packs()
    scanned = [[digest.hex(), place.offset] for digest, place in store.scan(info.pack)]
    assert scanned == sorted(kept, key=lambda one: one[1])


def failing(write: Callable[..., int], *, after: int) -> Callable[..., int]:
    """os.pwritev of a disk that takes `after` more bytes and is full then."""
    left = after

    def pwritev(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        nonlocal left
        if not left:
            raise OSError(28, os.strerror(28))
        joined = b"".join(buffers)[:left]
        left -= len(joined)
        return write(descriptor, [memoryview(joined)], offset)

    return pwritev


@pytest.mark.parametrize("after", [0, 1, RECORD_HEADER, RECORD_HEADER + 10])
def test_an_append_that_failed_leaves_no_trace(
    tmp_path: Path, store: PackStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    first = append(store, b"first")
    length = file_of(tmp_path, first[1].pack).stat().st_size
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", failing(write, after=after))
    with pytest.raises(OutOfSpace):
        append(store, bytes(1_000))
    monkeypatch.setattr(os, "pwritev", write)
    assert file_of(tmp_path, first[1].pack).stat().st_size == length
    second = append(store, b"second")
    assert list(store.scan(first[1].pack)) == [first, second]


def test_a_disk_too_full_for_a_new_pack_is_out_of_space(
    tmp_path: Path, store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwritev
    monkeypatch.setattr(os, "pwritev", failing(write, after=3))
    with pytest.raises(OutOfSpace):
        append(store, b"x")
    monkeypatch.setattr(os, "pwritev", write)
    assert [*tmp_path.rglob("*.pack")] == []
    assert store.read(append(store, b"x")[1]) == b"x"


# Durability


def test_threads_that_wait_together_share_one_sync(
    store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    fdatasync = os.fdatasync

    def slow(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.2)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)

    all_appended = threading.Barrier(20)

    def work() -> None:
        append(store, b"x")
        all_appended.wait()
        store.sync()

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= calls <= 4
    store.sync()
    assert calls <= 4, "nothing new, nothing to wait for"


def test_sync_reaches_packs_that_were_full_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    fdatasync = os.fdatasync

    def remember(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fdatasync(descriptor)

    store = PackStore(tmp_path, roll_bytes=1)
    places = [append(store, b"x")[1] for _ in range(4)]
    monkeypatch.setattr(os, "fdatasync", remember)
    store.sync()
    assert synced == {file_of(tmp_path, place.pack).stat().st_ino for place in places}


def test_a_disk_that_fails_to_sync_is_never_trusted_again(
    store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, b"x")
    fdatasync = os.fdatasync

    def refuse(_: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(Unavailable, match="could not be made durable"):
        store.sync()
    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with pytest.raises(Unavailable, match="restart the program"):
        store.sync()
    with pytest.raises(Unavailable):
        append(store, b"y")


APPENDING = """
import random, sys, threading
from pathlib import Path
from storage.packs import PackStore
from storage.testing.blobs import append

store = PackStore(Path(sys.argv[1]), roll_bytes=3_000_000)
lock = threading.Lock()

def work(n):
    chance = random.Random(n)
    while True:
        digest, place = append(store, chance.randbytes(chance.randrange(1, 300_000)))
        store.sync()
        with lock:
            print(digest.hex(), place.pack, place.offset, place.length, place.checksum, flush=True)

for n in range(4):
    threading.Thread(target=work, args=(n,)).start()
"""


def test_what_was_synced_survives_kill_9_in_the_middle_of_appends(tmp_path: Path) -> None:
    chance = random.Random(7)
    for turn in range(12):
        directory = tmp_path / str(turn)
        with run(APPENDING, str(directory)) as process:
            assert process.stdout
            first = process.stdout.readline()
            time.sleep(chance.random() * 0.1)
            process.send_signal(signal.SIGKILL)
            lines = (first + process.stdout.read()).splitlines(keepends=True)
        synced = [line.split() for line in lines if line.endswith("\n")]
        assert synced
        store = PackStore(directory)
        scanned = {
            place: digest for info in store.packs() for digest, place in store.scan(info.pack)
        }
        for digest, *numbers in synced:
            pack, offset, length, checksum = map(int, numbers)
            place = Place(pack, offset, length, Form.RAW, length, checksum)
            assert digest_of(store.read(place)).hex() == digest
            assert scanned[place] == store.digest_at(place) == bytes.fromhex(digest)
        assert all(digest_of(store.read(place)) == digest for place, digest in scanned.items())
        assert all(info.sealed and not info.owned for info in store.packs())
        place = append(store, b"life goes on")[1]
        assert place.pack > max(int(pack) for _, pack, *_ in synced)


WRITING = """
import sys, time
from pathlib import Path
from storage.packs import PackStore
from storage.testing.blobs import append
store = PackStore(Path(sys.argv[1]))
print(append(store, b"content")[1].pack, flush=True)
time.sleep(60)
"""


def test_a_pack_is_owned_for_as_long_as_its_writer_lives(tmp_path: Path) -> None:
    with run(WRITING, str(tmp_path)) as process:
        assert process.stdout
        pack = int(process.stdout.readline())
        store = PackStore(tmp_path)
        assert [(i.pack, i.owned, i.sealed) for i in store.packs()] == [(pack, True, False)]
        with pytest.raises(InUse):
            store.remove(pack, given_up=lambda: True)
        process.kill()
        process.wait()
        assert [(i.pack, i.owned, i.sealed) for i in store.packs()] == [(pack, False, True)]
        store.remove(pack, given_up=lambda: True)
        assert store.packs() == []


PARALLEL = """
import os, sys
from pathlib import Path
from storage.packs import PackStore
from storage.testing.blobs import append
store = PackStore(Path(sys.argv[1]), roll_bytes=20_000)
for n in range(60):
    append(store, os.urandom(3_000))
    if n % 6 == 0:
        store.sync()
        store.packs()
store.close()
"""


def test_processes_append_to_packs_of_their_own(tmp_path: Path) -> None:
    processes = [run(PARALLEL, str(tmp_path)) for _ in range(4)]
    assert [process.communicate(timeout=60) and process.returncode for process in processes] == [
        0
    ] * 4
    store = PackStore(tmp_path)
    records = [record for info in store.packs() for record in store.scan(info.pack)]
    assert len(records) == 4 * 60
    assert all(digest_of(store.read(place)) == digest for digest, place in records)
    assert all(info.sealed for info in store.packs())


def test_a_forked_child_begins_a_pack_of_its_own(tmp_path: Path, store: PackStore) -> None:
    _, mine = append(store, b"parent")
    child = os.fork()
    if not child:
        status = 1
        try:
            _, place = append(store, b"child")
            store.sync()
            store.roll()
            assert place.pack != mine.pack
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    _, next_ = append(store, b"parent again")
    assert next_.pack == mine.pack
    assert [info.owned for info in store.packs()] == [True, False]
    assert {digest for info in store.packs() for digest, _ in store.scan(info.pack)} == {
        digest_of(content) for content in (b"parent", b"child", b"parent again")
    }


def test_a_child_that_lives_on_does_not_keep_its_dead_parents_pack(
    tmp_path: Path, store: PackStore
) -> None:
    append(store, b"x")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.read(reading, 1)
        os._exit(0)
    time.sleep(0.05)
    store.roll()
    assert [info.owned for info in store.packs()] == [False]
    os.write(writing, b"x")
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def test_removing_and_making_packs_at_once_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweeper may see a pack between its creation and its writer's lock: whoever has the lock
    then, no writer appends to a pack that is given up."""
    lock = fcntl.flock

    def late(descriptor: int, kind: int) -> None:
        if kind & fcntl.LOCK_EX:
            time.sleep(0.001)
        lock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    stop = threading.Event()
    retired: set[int] = set()

    def given_up(pack: int) -> bool:
        retired.add(pack)
        time.sleep(0.001)
        return True

    def sweep() -> None:
        store = PackStore(tmp_path)
        while not stop.is_set():
            for info in store.packs():
                if info.sealed and info.length <= PACK_HEADER:
                    with suppress(InUse):
                        store.remove(info.pack, given_up=partial(given_up, info.pack))

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for n in range(150):
            store = PackStore(tmp_path)
            digest, place = append(store, b"%d" % n)
            assert PackStore(tmp_path).digest_at(place) == digest
            assert place.pack not in retired
            store.close()
    finally:
        stop.set()
        sweeper.join()
    assert retired, "the sweeper met no pack on its way to its writer"


def test_a_writer_does_not_wait_for_who_gives_its_pack_up(
    tmp_path: Path, store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives a pack up waits for a transaction, and that for a writer's sync."""
    made: list[Path] = []
    lock = fcntl.flock

    def taken(descriptor: int, kind: int) -> None:
        if not made:
            made.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            other = os.open(made[0], os.O_RDWR)
            try:
                lock(other, fcntl.LOCK_EX)
                lock(descriptor, kind)
            finally:
                os.close(other)
        lock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", taken)
    digest, place = append(store, b"x")
    assert store.digest_at(place) == digest
    assert [*tmp_path.rglob("*.pack")] == [file_of(tmp_path, place.pack)]
    assert made[0] != file_of(tmp_path, place.pack)


def test_a_damaged_place_asks_for_no_buffer_of_its_length(store: PackStore) -> None:
    _, place = append(store, b"x")
    huge = Place(place.pack, place.offset, 2**62, Form.RAW, 2**62, place.checksum)
    with pytest.raises(Corrupt):
        store.read(huge)
    assert store.read_ready(huge) is None


def test_much_of_somebody_alone_is_on_its_way_to_the_disk_before_it_is_synced(
    store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    begin = packs._sync_file_range
    assert begin is not None

    def noted(descriptor: int, start: int, length: int, flags: int) -> int:
        begun.append((start, start + length))
        answer: int = begin(descriptor, start, length, flags)
        assert answer == 0
        return answer

    monkeypatch.setattr(packs, "_sync_file_range", noted)
    much = bytes(packs.BEGUN_BYTES)
    with store.pending():
        _, place = append(store, much)
        store.begin_sync()
        assert begun == [(PACK_HEADER, place.offset + place.length)]
        store.sync()
        append(store, b"little")
        store.begin_sync()
        store.sync()
        append(store, b"2" + much)
        store.begin_sync(least_bytes=2 * packs.BEGUN_BYTES)
        store.sync()
        with store.pending():
            append(store, b"1" + much)
            store.begin_sync()
            store.sync()
    assert len(begun) == 1, "neither for little, nor for less than asked, nor while others compute"
    assert store.read(place) == much


def test_a_begun_sync_that_fails_is_told_to_who_syncs(
    store: PackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    with store.pending():
        append(store, bytes(packs.BEGUN_BYTES))
        monkeypatch.setattr(os, "fdatasync", fail)
        store.begin_sync()
        with pytest.raises(Unavailable):
            store.sync()
    monkeypatch.undo()
