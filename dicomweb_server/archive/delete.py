"""Deleting a study, a series or an instance, earlier versions included.

The bytes are given back when the packs they lie in are compacted (`upkeep`).
"""

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from storage.model import Deleted, Scope, SeriesKey


def delete(archive: Archive, scope: Scope) -> Deleted:
    """Durable on return, and seen by every process. Raises NotFound."""
    archive.permit(Act.DELETE)
    deleted = archive.storage.index.delete(scope)
    if scope.series_uid is not None:
        archive.series.discard(SeriesKey(scope.study_uid, scope.series_uid))
    within = {"series": scope.series_uid, "instance": scope.instance_uid}
    detail = {name: uid for name, uid in within.items() if uid} | {"instances": deleted.instances}
    archive.note_now(Event("study.delete", scope.study_uid, detail=detail))
    return deleted
