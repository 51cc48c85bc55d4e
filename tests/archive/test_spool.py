"""Spools: memory, then disk, then nothing left."""

import errno
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from dicomweb_server.archive.spool import MEMORY_BYTES, Spool
from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.dicom.source import BytesSource
from storage.errors import OutOfSpace

PLENTY = 10 * MEMORY_BYTES


def test_what_is_small_stays_in_memory(tmp_path: Path) -> None:
    with Spool(tmp_path, limit_bytes=PLENTY) as spool:
        spool.write(b"abc")
        spool.write(memoryview(b"def"))
        source = spool.finish()
        assert source == BytesSource(b"abcdef")
        assert spool.length == 6


@pytest.mark.parametrize("piece", [1000, 2**20, 2 * MEMORY_BYTES])
def test_what_is_large_is_read_back_from_disk(tmp_path: Path, piece: int) -> None:
    content = bytes(range(256)) * (MEMORY_BYTES // 256 + 1)
    with Spool(tmp_path, limit_bytes=PLENTY) as spool:
        for at in range(0, len(content), piece):
            spool.write(content[at : at + piece])
        source = spool.finish()
        assert source.length == len(content)
        assert source.read_at(0, source.length) == content
        assert source.read_at(source.length - 3, 100) == content[-3:]
        assert source.read_at(source.length + 3, 100) == b""


def test_nothing_with_a_name_is_ever_left_on_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=PLENTY)
    spool.write(bytes(MEMORY_BYTES + 1))
    # A process that is killed here leaves no file either: there is no name to leave.
    assert list(tmp_path.iterdir()) == []
    spool.discard()
    spool.discard()


def test_many_small_pieces_take_the_memory_of_their_bytes(tmp_path: Path) -> None:
    """A peer may send two bytes a fragment: as objects of their own 1 MiB was 25."""
    with Spool(tmp_path, limit_bytes=PLENTY) as spool:
        tracemalloc.start()
        for at in range(0, 2**20, 2):
            spool.write(at.to_bytes(4)[2:])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 3 * 2**20
        spool.write(b"x" * 5000)
        spool.write(b"y")
        whole = spool.finish().read_at(0, 2 * 2**20)
    assert len(whole) == 2**20 + 5001
    assert whole[:6] == bytes((0, 0, 0, 2, 0, 4))
    assert whole.endswith(b"xy")


def test_more_than_the_limit_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with Spool(tmp_path, limit_bytes=1000) as spool:
        spool.write(bytes(1000))
        with pytest.raises(TooLarge, match=r"1001 .* 1000"):
            spool.write(b"x")


def test_a_full_disk_is_said_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with (
        Spool(tmp_path, limit_bytes=PLENTY) as spool,
        pytest.raises(OutOfSpace, match=str(tmp_path)),
    ):
        spool.write(bytes(MEMORY_BYTES + 1))


def test_any_other_failure_of_the_disk_is_raised_as_it_is(tmp_path: Path) -> None:
    with Spool(tmp_path / "gone", limit_bytes=PLENTY) as spool, pytest.raises(FileNotFoundError):
        spool.write(bytes(MEMORY_BYTES + 1))
