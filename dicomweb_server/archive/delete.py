"""Deleting a study, a series or an instance, earlier versions included.

The bytes are given back when the packs they lie in are compacted (`upkeep`).
"""

from dicomweb_server.archive.archive import Archive
from storage.model import Deleted, Scope, SeriesKey


def delete(archive: Archive, scope: Scope) -> Deleted:
    """Durable on return, and seen by every process. Raises NotFound."""
    deleted = archive.storage.index.delete(scope)
    if scope.series_uid is not None:
        archive.series.discard(SeriesKey(scope.study_uid, scope.series_uid))
    return deleted
