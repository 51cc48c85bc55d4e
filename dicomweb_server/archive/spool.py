"""An upload on its way in: bytes arrive piecewise, and are then read by position.

Small ones stay in memory; a larger one goes to a file without a name in the storage's `incoming`
directory, so that nothing of it is left however the process ends.
"""

import errno
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.dicom.source import BytesSource, Source
from storage.errors import OutOfSpace
from storage.model import Buffer

MEMORY_BYTES = 4 * 2**20
"""What is larger goes to disk."""

SMALL_BYTES = 1024
"""Pieces below are put together: as objects of their own they would take many times their bytes."""

NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))


class Spool:
    """Receives one upload: `write` its pieces, `finish`, read the source, `discard`.

    limit_bytes  the upload may be as long as this

    As a context manager it discards itself at the end of the block.
    """

    def __init__(self, directory: Path, *, limit_bytes: int) -> None:
        self.length = 0
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._memory_bytes = MEMORY_BYTES
        self._pieces: list[Buffer] = []
        self._file: BinaryIO | None = None

    def write(self, piece: Buffer) -> None:
        """Adds the next bytes. Raises TooLarge and OutOfSpace, what was written then discarded."""
        self.length += len(piece)
        if self.length > self._limit_bytes:
            self.discard()
            raise TooLarge(
                "the upload", "bytes or more", found=self.length, limit=self._limit_bytes
            )
        try:
            if self._file is None and self.length > self._memory_bytes:
                self._spill()
            if self._file is None:
                self._keep(piece)
            else:
                _write_all(self._file, piece)
        except OSError as error:
            self.discard()
            if error.errno in NO_SPACE:
                raise OutOfSpace(str(self._directory)) from error
            raise

    def leave_memory(self) -> None:
        """All of it goes to disk with the next piece, however little it is."""
        self._memory_bytes = 0

    def _keep(self, piece: Buffer) -> None:
        if len(piece) >= SMALL_BYTES:
            self._pieces.append(_kept(piece))
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))

    def _spill(self) -> None:
        # Unbuffered: the pieces are large, and a buffer would only copy them. Kept open on
        # purpose: the file has no name, so it is gone when the descriptor is.
        self._file = tempfile.TemporaryFile(dir=self._directory, buffering=0)  # noqa: SIM115
        for piece in self._pieces:
            _write_all(self._file, piece)
        self._pieces.clear()

    def finish(self) -> Source:
        """All that was written, valid until `discard`."""
        if self._file is not None:
            return _SpooledSource(self._file.fileno(), self.length)
        whole = bytes(self._pieces[0]) if len(self._pieces) == 1 else b"".join(self._pieces)
        # Freed now, the pieces are what comes next is received in.
        self._pieces = [whole]
        return BytesSource(whole)

    def discard(self) -> None:
        """Gives the memory or the disk space back; to be called however the upload ended."""
        self._pieces.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()


def _kept(piece: Buffer) -> Buffer:
    """The piece, or a copy of it where its bytes may change, or lie in something much longer that
    would be kept with it."""
    whole = piece.obj if isinstance(piece, memoryview) else piece
    return piece if isinstance(whole, bytes) and len(whole) <= 2 * len(piece) else bytes(piece)


def _write_all(file: BinaryIO, piece: Buffer) -> None:
    # An unbuffered file writes what fits; only the next call says that the disk is full.
    remaining = memoryview(piece)
    while remaining:
        remaining = remaining[file.write(remaining) :]


class _SpooledSource:
    """The bytes of a file that has no name, read through its descriptor."""

    def __init__(self, descriptor: int, length: int) -> None:
        self._descriptor = descriptor
        self._length = length

    @property
    def length(self) -> int:
        return self._length

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, max(0, min(length, self._length - offset)), offset)
