"""Storing for many senders at once: what waits is stored in one batch, by the first who came.

Senders that wait for each answer, as those of C-STORE do, give one instance at a time, and so many
threads that each describe one wrest the interpreter from one another, and commits of one or two.
Stored eight at a time, a small instance takes a quarter of the CPU it takes alone.

Who leads (storage/leading.py) stores all that waits and what comes while he reads it, in his own
thread; who comes alone waits for nobody.
"""

from collections.abc import Sequence

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.gathering import Gathering
from dicomweb_server.archive.store import Outcome, Received, fits_group, store, store_all
from storage.leading import Line, Waiting

LARGE_BYTES = 4 * 2**20
"""Who sends more stores alone: the others would wait while it is hashed."""


class _Part(Waiting):
    """One part, and in the end its outcome."""

    def __init__(self, archive: Archive, part: Received) -> None:
        super().__init__()
        self.archive = archive
        self.part = part
        self.outcome: Outcome | None = None


def _fits(batch: Sequence[_Part], more: _Part) -> bool:
    held = sum(each.part.source.length for each in batch)
    return fits_group(len(batch) + 1, held + more.part.source.length)


class Together:
    """Of one archive in one process."""

    def __init__(self) -> None:
        self.line: Line[_Part] = Line("storing", self._store, fits=_fits)
        self._gathering = Gathering()

    def _store(self, batch: list[_Part]) -> None:
        """What waits, with what comes while it is read."""

        def taken() -> list[tuple[Archive, Received]]:
            return [(each.archive, each.part) for each in self.line.take(batch)]

        outcomes = store_all(
            [(each.archive, each.part) for each in batch],
            more=lambda: self._gathering.more(len(batch), taken),
        )
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.outcome = outcome
        self._gathering.ended(len(batch) + len(self.line))

    def store(self, archive: Archive, part: Received) -> Outcome:
        """As `archive.store.store` of one part: durable on return, raises what that raises."""
        archive.permit(Act.STORE, Act.DRAFT)
        if part.source.length > LARGE_BYTES:
            return store(archive, [part])[0]
        waiting = _Part(archive, part)
        self.line.finish(waiting, leads=self.line.join(waiting))
        if waiting.failure is not None:
            raise waiting.failure
        assert waiting.outcome is not None, "what did not fail has an outcome"
        return waiting.outcome
