"""Storing for many senders at once: what waits is stored in one batch, by the first who came.

Senders that wait for each answer, as those of C-STORE do, give one instance at a time, and so many
threads that each describe one wrest the interpreter from one another, and commits of one or two.
Stored eight at a time, a small instance takes a quarter of the CPU it takes alone.

Who leads (storage/leading.py) stores all that waits, in his own thread; who comes alone waits for
nobody.
"""

from collections.abc import Sequence

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
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


def _store(batch: Sequence[_Part]) -> None:
    outcomes = store_all([(each.archive, each.part) for each in batch])
    for waiting, outcome in zip(batch, outcomes, strict=True):
        waiting.outcome = outcome


class Together:
    """Of one archive in one process."""

    def __init__(self) -> None:
        self.line: Line[_Part] = Line("storing", _store, fits=_fits)

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
