"""Rewriting: payloads are written anew, in order, into a pack that is sealed, and their contents
moved there. Settling and compaction are this with different reasons.

The order is that of LAYOUT.md: payloads, sync, one index transaction. A process that dies in
between leaves a pack nobody refers to, or both places valid; either way every content is where
the index says, because its digest stays its name and its old payload stays until nothing refers
to its pack.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from storage.contract import Index, PackWriter
from storage.engines import Storage
from storage.errors import InUse, NotFound
from storage.model import Digest, Form, Move, Place

PACK_BYTES = 512 << 20
"""A pack that reaches this is sealed, and another begun."""

_FLUSH_MOVES = 1024
_FLUSH_BYTES = 128 << 20


class Rewriter:
    """Writes payloads into new packs, one pack after the other, and moves their contents there.

    pack_bytes  length at which a pack is sealed

    Used in a `with` block; leaving it moves what was added. Left by an exception, what is not yet
    moved stays where it was.
    """

    def __init__(self, storage: Storage, *, pack_bytes: int = PACK_BYTES) -> None:
        self.packs: set[int] = set()
        self.moved = 0
        self.bytes_before = 0
        self.bytes_after = 0
        self._storage = storage
        self._pack_bytes = pack_bytes
        self._open = ExitStack()
        self._writer: PackWriter | None = None
        self._moves: list[Move] = []
        self._unflushed_bytes = 0

    def add(self, digest: Digest, old: Place, payload: bytes, *, form: Form) -> None:
        """Appends a payload for the content at `old`. Raises OutOfSpace."""
        if self._writer is None:
            self._writer = self._open.enter_context(self._storage.blobs.new_pack())
        new = self._writer.append(digest, payload, form=form, content_length=old.content_length)
        self.packs.add(new.pack)
        self._moves.append(Move(digest, old, new))
        self._unflushed_bytes += new.length
        if new.offset + new.length >= self._pack_bytes:
            self.flush()
            self._writer = None
            self._open.close()
        elif len(self._moves) >= _FLUSH_MOVES or self._unflushed_bytes >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """What was added is durable, and its contents lie there, on return."""
        if self._writer is None or not self._moves:
            return
        self._writer.sync()
        self.moved += self._storage.index.relocate(self._moves)
        self.bytes_before += sum(move.old.length for move in self._moves)
        self.bytes_after += sum(move.new.length for move in self._moves)
        self._moves.clear()
        self._unflushed_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self.flush()
        else:
            self._open.__exit__(kind, value, traceback)


def places_of(index: Index, digests: Sequence[Digest]) -> dict[Digest, Place]:
    """Where those of the digests lie that are stored."""
    while True:
        known = index.known(digests)
        stored = [digest for digest in digests if digest in known]
        # Deleted between the two calls: ask again.
        with suppress(NotFound):
            return dict(zip(stored, index.places(stored), strict=True))


def remove_dead_packs(storage: Storage, *, idle_s: float) -> tuple[int, int]:
    """Removes the packs nothing refers to; returns how many, and their bytes.

    idle_s  this process's landing pack is rolled for it when nothing in it is referred to and
            nothing was appended for so long
    """
    use = storage.index.pack_use()
    if any(info.owned and info.landing and info.pack not in use for info in storage.blobs.packs()):
        storage.blobs.roll(idle_s=idle_s)
    removed = removed_bytes = 0
    for info in storage.blobs.packs():
        if info.sealed and info.pack not in use and give_up(storage, info.pack):
            removed += 1
            removed_bytes += info.length
    return removed, removed_bytes


def give_up(storage: Storage, pack: int) -> bool:
    """Removes a sealed pack; False when something still refers to it, or it is looked at just now
    and will be removed another time."""
    with suppress(InUse):
        return storage.blobs.remove(pack, given_up=lambda: storage.index.retire(pack))
    return False
