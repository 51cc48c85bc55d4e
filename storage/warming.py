"""A file read once from its end to its beginning, so that whoever looks things up all over it finds
its pages in memory.

The pages of an index are looked up one by one, and after a start each comes from the disk by
itself: some hundred of them are a tenth of a second. In large pieces the same file is read at the
speed of the disk.

Backwards, because Linux takes reading forwards for the beginning of a stream and keeps what it
reads ahead in folios of up to 2 MiB. Whoever then writes one page of 4 KiB makes ext4 look at all
of its folio: 40 such writes and a sync, the commit of one instance, took 3.0 ms of CPU instead of
0.3.
"""

import os
from collections.abc import Callable
from pathlib import Path

PIECE_BYTES = 4 << 20

SHARE = 0.5
"""Of the memory that nobody needs: packs are read through the page cache as well."""


def warm(path: Path, *, stop: Callable[[], bool], most: int | None = None) -> int:
    """The bytes read of the first `most` (SHARE of the memory that nobody needs when not given),
    the last of them first, until `stop` says so. Raises OSError."""
    room = int(SHARE * available_memory()) if most is None else most
    read = 0
    with path.open("rb", buffering=0) as file:
        end = min(os.fstat(file.fileno()).st_size, room)
        piece = memoryview(bytearray(min(PIECE_BYTES, end)))
        for start in reversed(range(0, end, PIECE_BYTES)):
            if stop():
                break
            read += os.preadv(file.fileno(), [piece[: end - start]], start)
    return read


def available_memory() -> int:
    """Bytes that programs can have without anybody's being swapped out (proc(5), MemAvailable);
    what is free altogether on systems that do not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
