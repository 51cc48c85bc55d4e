"""What an archive holds and what that takes on disk."""

from dataclasses import dataclass

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from storage.model import Counts


@dataclass(frozen=True, slots=True)
class Stats:
    """disk_bytes are all packs; of them `dead_bytes` belong to nothing and go with compaction.
    landing_bytes lie in packs that have not settled."""

    counts: Counts
    packs: int
    disk_bytes: int
    dead_bytes: int
    landing_bytes: int


def stats(archive: Archive) -> Stats:
    archive.permit(Act.OPERATE)
    counts = archive.storage.index.counts()
    packs = archive.storage.blobs.packs()
    used = archive.storage.index.pack_use()
    live = {number: use.live_bytes for number, use in used.items()}
    return Stats(
        counts=counts,
        packs=len(packs),
        disk_bytes=sum(pack.length for pack in packs),
        dead_bytes=sum(max(0, pack.length - live.get(pack.pack, 0)) for pack in packs),
        landing_bytes=sum(live.get(pack.pack, 0) for pack in packs if pack.landing),
    )
