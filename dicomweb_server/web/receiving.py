"""What comes of uploads and is kept: in memory while there is room for it, else in files.

A client sends as slowly as he likes, and so do a thousand of them: what each has in memory is of
one room. Who finds it full goes on in a file, and nobody waits for those that are slow.
"""

from pathlib import Path

from dicomweb_server.archive.spool import MEMORY_BYTES, Spool
from dicomweb_server.dicom.source import Source
from dicomweb_server.web.http import MESSAGE_BYTES, Workers

RECEIVED_BYTES = 192 * 2**20
"""Of uploads that a process holds in memory, whole or not; service.UPLOAD_BYTES of it may be whole
and wait to be stored."""


class Room:
    """So many bytes may be held at once; who gets no room does without. For the event loop."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def take(self, amount: int) -> bool:
        """Whether there was room, which is then taken."""
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def give_back(self, amount: int) -> None:
        self._left += amount


class Receiver:
    """Receives in the event loop: `write` the pieces, `complete`, `finish` for what can be read,
    `discard` however it ended.

    limit_bytes  as of a Spool, whose errors `write` and `complete` raise: TooLarge and OutOfSpace
    """

    def __init__(self, directory: Path, *, limit_bytes: int, room: Room, workers: Workers) -> None:
        self._spool = Spool(directory, limit_bytes=limit_bytes)
        self._room = room
        self._workers = workers
        self._taken = 0
        self._to_file = False
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self.length = 0

    async def write(self, piece: memoryview | bytes) -> None:
        self.length += len(piece)
        has_room = self._room.take(len(piece))
        if has_room:
            self._taken += len(piece)
        if not has_room or self.length > MEMORY_BYTES:
            self._to_file = True
        if not self._to_file:
            self._spool.write(piece)
            return
        # A file is written in a thread and, where there is room to gather them, in large pieces.
        self._gathered.append(bytes(piece))
        self._gathered_bytes += len(piece)
        if not has_room or self._gathered_bytes >= MESSAGE_BYTES:
            await self.complete()

    async def complete(self) -> None:
        """To be called before `finish`."""
        gathered, self._gathered, self._gathered_bytes = b"".join(self._gathered), [], 0
        if not gathered:
            return
        self._spool.leave_memory()
        await self._workers.run(self._spool.write, gathered)
        self._give_back()

    def finish(self) -> Source:
        """All that was written, valid until `discard`."""
        return self._spool.finish()

    def discard(self) -> None:
        self._spool.discard()
        self._gathered.clear()
        self._give_back()

    def _give_back(self) -> None:
        taken, self._taken = self._taken, 0
        self._room.give_back(taken)
