"""The change feed: what was stored, replaced and deleted, in order, from any point on."""

from collections.abc import Sequence

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from storage.model import Change

MOST = 1000
"""Changes one request can have."""


def changes(archive: Archive, *, after: int = 0, limit: int = MOST) -> Sequence[Change]:
    """The changes with sequence numbers above `after`, ascending, at most `limit` or MOST."""
    archive.permit(Act.SEARCH)
    return archive.storage.index.changes(after=after, limit=min(limit, MOST))
