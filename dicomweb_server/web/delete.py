"""DELETE of a study, a series or an instance. PS3.18 has no such transaction; every archive does,
as 204 with nothing to say."""

from dicomweb_server.archive.delete import delete as delete_scope
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.service import Service


async def delete(service: Service, request: Request) -> Reply:
    """Handler of DELETE /studies/{study}, .../series/{series} and .../instances/{instance}."""
    await service.workers.run(delete_scope, service.archive, scope_of(request))
    return Reply(204)
