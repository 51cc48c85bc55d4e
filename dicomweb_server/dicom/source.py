"""Bytes that are read by position: a part held in memory, a spooled file, an instance in the store.

Reading by position is what lets a 2 GB instance pass through with a few megabytes of memory.
"""

import os
from dataclasses import dataclass
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
