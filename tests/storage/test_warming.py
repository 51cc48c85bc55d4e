"""What is read into memory, and how much of it."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from storage.compaction import never
from storage.lmdb_index import LmdbIndex
from storage.warming import PIECE_BYTES, available_memory, warm

PAGES = 3 * PIECE_BYTES // 4096


@pytest.fixture
def evicted(tmp_path: Path) -> Path:
    """A file on the disk, and not in memory."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(PAGES * 4096))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def in_memory(path: Path) -> int:
    """How many pages can be read without waiting for the disk."""
    page = bytearray(4096)
    found = 0
    with path.open("rb", buffering=0) as file:
        for number in range(PAGES):
            with suppress(BlockingIOError):
                found += os.preadv(file.fileno(), [page], number * 4096, os.RWF_NOWAIT) == 4096
    return found


def test_all_of_a_file_is_in_memory_afterwards(evicted: Path) -> None:
    assert warm(evicted, stop=never) == PAGES * 4096
    assert in_memory(evicted) == PAGES


def test_no_more_is_read_than_there_is_room_for(evicted: Path) -> None:
    assert warm(evicted, stop=never, most=2 * PIECE_BYTES + 1) == 2 * PIECE_BYTES + 1
    assert in_memory(evicted) < PAGES
    assert warm(evicted, stop=never, most=0) == 0


def test_it_ends_when_it_is_told_to(evicted: Path) -> None:
    told = iter([False, True])
    assert warm(evicted, stop=lambda: next(told)) == PIECE_BYTES


def test_memory_that_nobody_needs_is_some_and_not_more_than_there_is() -> None:
    assert 0 < available_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_an_index_is_read_to_its_end(tmp_path: Path) -> None:
    index = LmdbIndex(tmp_path / "index", before_commit=lambda: None)
    try:
        assert index.warm(never) == (tmp_path / "index" / "data.mdb").stat().st_size > 0
    finally:
        index.close()
