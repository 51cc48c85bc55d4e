"""Bytes that are read by position: a part held in memory, a spooled file, an instance in the store.

Reading by position is what lets a 2 GB instance pass through with a few megabytes of memory.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


class Source(Protocol):
    """Some bytes of known length."""

    @property
    def length(self) -> int:
        """In bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes [offset, offset + length), fewer only where the source ends."""


@dataclass(frozen=True, slots=True)
class BytesSource:
    """A source in memory."""

    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)

    def read_at(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


class FileSource:
    """A source on disk, open until `close` or the end of the `with` block. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._length = os.fstat(self._descriptor).st_size

    @property
    def length(self) -> int:
        return self._length

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, max(0, min(length, self._length - offset)), offset)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes [offset, offset + length) of a source."""

    source: Source
    offset: int
    length: int


Piece = bytes | Part


class PiecedSource:
    """Pieces one after the other: bytes, and parts of other sources, which stay where they are."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = [piece for piece in pieces if piece_length(piece)]
        self._starts = list(accumulate(map(piece_length, self.pieces), initial=0))

    @property
    def length(self) -> int:
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.length)
        found: list[bytes] = []
        number = bisect_right(self._starts, offset) - 1
        while offset < end:
            piece = self.pieces[number]
            within = offset - self._starts[number]
            wanted = min(end, self._starts[number + 1]) - offset
            if isinstance(piece, bytes):
                found.append(piece[within : within + wanted])
            else:
                found.append(piece.source.read_at(piece.offset + within, wanted))
            offset += wanted
            number += 1
        return found[0] if len(found) == 1 else b"".join(found)


def piece_length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.length
