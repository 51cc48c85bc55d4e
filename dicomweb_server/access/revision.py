"""Whether anything about who may what has changed, seen by every process at once.

Eight random bytes in `access.revision` of the data directory, mapped into memory: to look costs a
tenth of a microsecond, so what a process knows of sessions and tokens can be asked about for every
frame. Who ends a session or changes an account writes others there when that is committed. Another
machine on the same database sees it when what it knows has become old (web/identity.py).
"""

import mmap
import os
import secrets
from pathlib import Path

FILE = "access.revision"
_BYTES = 8


class Revision:
    """One process's sight of it; any thread may call."""

    def __init__(self, directory: Path | None) -> None:
        """directory  of the archive; None: this process is alone"""
        if directory is None:
            self._bytes = mmap.mmap(-1, _BYTES)
            return
        descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _BYTES)
            self._bytes = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)

    def current(self) -> bytes:
        """Another value whenever something has changed since."""
        return self._bytes[:]

    def changed(self) -> None:
        """To be called behind the transaction that changed something."""
        self._bytes[:] = secrets.token_bytes(_BYTES)

    def close(self) -> None:
        self._bytes.close()
