"""A file read once from end to end, so that whoever looks things up all over it finds its pages in
memory.

The pages of an index are looked up one by one, and after a start each comes from the disk by
itself: some hundred of them are a tenth of a second. In order the same file is read at the speed of
the disk.
"""

import os
from collections.abc import Callable
from pathlib import Path

PIECE_BYTES = 4 << 20

SHARE = 0.5
"""Of the memory that nobody needs: packs are read through the page cache as well."""


def warm(path: Path, *, stop: Callable[[], bool], most: int | None = None) -> int:
    """The bytes read from the beginning on, at most `most` (SHARE of the memory that nobody needs
    when not given), until `stop` says so. Raises OSError."""
    left = int(SHARE * available_memory()) if most is None else most
    piece = bytearray(min(PIECE_BYTES, max(left, 1)))
    read = 0
    with path.open("rb", buffering=0) as file:
        while left >= len(piece) and not stop():
            got = file.readinto(piece)
            if not got:
                break
            read += got
            left -= got
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
