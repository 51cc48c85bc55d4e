"""Deflated data sets, inflated within bounds (PS3.5 §A.5).

A few hundred kilobytes can inflate to any size: what comes out is counted while it comes, and what
is large goes to a file.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from dicomweb_server.dicom.errors import Malformed, TooLarge
from dicomweb_server.dicom.source import BytesSource, Source

_IN_MEMORY = 8 * 1024 * 1024
_ANY_RATIO = 256 * 1024 * 1024


class InflatedFile:
    """A source in a temporary file that is gone when nobody holds it any more."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._length = length

    @property
    def length(self) -> int:
        return self._length

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), max(0, min(length, self._length - offset)), offset)

    def __del__(self) -> None:
        self._file.close()


def inflate(source: Source, *, offset: int, limit_bytes: int, spool: Path | None) -> Source:
    """The data set from `offset` on, inflated: in memory up to 8 MiB, else in a temporary file.

    limit_bytes  inflated; above 256 MiB at most 100 times the deflated length, too
    spool        directory of the temporary file, None for the system's

    Raises Malformed, TooLarge, and OSError when the file cannot be written.
    """
    deflated = source.length - offset
    limit = min(limit_bytes, max(_ANY_RATIO, 100 * deflated))
    with ExitStack() as unless_returned:
        held: list[bytes] = []
        file: IO[bytes] | None = None
        length = 0
        for piece in _inflated(source, offset):
            length += len(piece)
            if length > limit:
                raise TooLarge(
                    "the deflated data set", "bytes when inflated", found=length, limit=limit
                )
            held.append(piece)
            if length > _IN_MEMORY:
                if file is None:
                    file = unless_returned.enter_context(TemporaryFile(dir=spool))
                file.writelines(held)
                held.clear()
        if file is None:
            return BytesSource(b"".join(held))
        file.flush()
        unless_returned.pop_all()
        return InflatedFile(file, length)


def beginning(source: Source, *, offset: int, length: int) -> bytes:
    """The first bytes of the data set from `offset` on, inflated: at most `length`, and none when
    they cannot be inflated."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(
            source.read_at(offset, length), length
        )
    except zlib.error:
        return b""


def _inflated(source: Source, offset: int) -> Iterator[bytes]:
    """The inflated bytes, at most 1 MiB at a time. Raises Malformed at the first fault."""
    step = 1024 * 1024
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    length = 0
    while not inflater.eof:
        chunk = source.read_at(offset, step)
        if not chunk:
            raise Malformed("the deflated data set", f"ends early, after {length} inflated bytes")
        offset += len(chunk)
        while chunk and not inflater.eof:
            try:
                piece = inflater.decompress(chunk, step)
            except zlib.error as error:
                raise Malformed("the deflated data set", f"cannot be inflated: {error}") from None
            if piece:
                length += len(piece)
                yield piece
            chunk = inflater.unconsumed_tail
