"""Compaction: packs that are mostly dead, or many and small, are written anew; dead ones go.

A payload is copied as it is, in the order of its pack, so a series that lay together still does.
Landing packs are left to settling, which moves what they hold; here they go when all of it is dead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from storage.engines import Storage
from storage.errors import Corrupt, NotFound
from storage.holders import this_holder
from storage.model import PackInfo, PackUse
from storage.rewriting import PACK_BYTES, Rewriter, give_up, places_of, remove_dead_packs

LIVE_SHARE = 0.6
"""A pack of which less is referred to is written anew."""

MERGE_PACKS = 16
"""So many small packs are written into one."""

SMALL_SHARE = 1 / 8
"""A pack is small below this part of the length at which packs are sealed."""

_LEASE = "compaction"
_LEASE_S = 60.0
_RECORDS_AT_A_TIME = 256

# What a record takes beside its payload, generously: a pack of tiny payloads is not mostly dead.
_RECORD_BYTES = 128


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What one call of `compact_packs` did.

    packs_rewritten  whose live contents were copied
    packs_removed    the rewritten and the dead ones
    bytes_freed      that the disk has back, what was written anew taken off
    finished         False when it was stopped, or when another process compacts
    problems         a sentence for each pack that could not be given up
    """

    packs_rewritten: int
    packs_removed: int
    bytes_freed: int
    finished: bool
    problems: tuple[str, ...]


def never() -> bool:
    return False


def compact_packs(
    storage: Storage,
    *,
    stop: Callable[[], bool] = never,
    pack_bytes: int = PACK_BYTES,
) -> CompactionReport:
    """Gives the disk back what is not referred to.

    stop  asked between two packs; what is not done then is left for the next call

    Raises OutOfSpace and Unavailable; what was compacted until then is.
    """
    removed, freed = remove_dead_packs(storage, idle_s=0)
    holder = this_holder()
    rewritten = 0
    problems: list[str] = []
    finished = True
    with Rewriter(storage, pack_bytes=pack_bytes) as rewriter:
        for info in _worth_rewriting(storage, pack_bytes):
            if stop() or not storage.index.lease(_LEASE, holder, ttl_s=_LEASE_S):
                finished = False
                break
            try:
                _copy(storage, rewriter, info.pack)
            except (Corrupt, NotFound) as error:
                problems.append(str(error))
            rewriter.flush()
            rewritten += 1
            if give_up(storage, info.pack):
                removed += 1
                freed += info.length
            else:
                problems.append(f"pack {info.pack:016x} could not be given up")
    storage.index.release(_LEASE, holder)
    return CompactionReport(
        packs_rewritten=rewritten,
        packs_removed=removed,
        bytes_freed=freed - rewriter.bytes_after,
        finished=finished,
        problems=tuple(problems),
    )


def _worth_rewriting(storage: Storage, pack_bytes: int) -> list[PackInfo]:
    """The sealed packs in series order that are mostly dead, and the small ones when they are
    many. By number, so that what was settled one after the other stays so."""
    use = storage.index.pack_use()
    ordered = [info for info in storage.blobs.packs() if info.sealed and not info.landing]
    small = [info for info in ordered if info.length < pack_bytes * SMALL_SHARE]
    many = set(small) if len(small) >= MERGE_PACKS else set()
    return [info for info in ordered if info in many or _share(info, use) < LIVE_SHARE]


def _share(info: PackInfo, use: Mapping[int, PackUse]) -> float:
    live = use.get(info.pack, PackUse(info.pack, 0, 0))
    return (live.live_bytes + live.live_blobs * _RECORD_BYTES) / max(info.length, 1)


def _copy(storage: Storage, rewriter: Rewriter, pack: int) -> None:
    """Appends what of a pack is referred to, in its order."""
    records = storage.blobs.scan(pack)
    while some := list(islice(records, _RECORDS_AT_A_TIME)):
        stored = places_of(storage.index, [digest for digest, _ in some])
        for digest, place in some:
            if stored.get(digest) == place:
                rewriter.add(digest, place, storage.blobs.read(place), form=place.form)
