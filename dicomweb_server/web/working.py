"""/api/v1/reports/{report}/working, lease and conflicts: writing, and what came too late."""

from dicomweb_server.reading import working as verbs
from dicomweb_server.reading.errors import Refused
from dicomweb_server.web.bodies import CONTENT_BYTES, if_match, json_of
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.orders import reply
from dicomweb_server.web.reports import answered, text_of
from dicomweb_server.web.service import Service, reading_of


async def working(service: Service, request: Request) -> Reply:
    """Handler of GET: the text as it is."""
    return answered(await text_of(service, request, verbs.working))


async def save(service: Service, request: Request) -> Reply:
    """Handler of PUT (the whole text) and PATCH (JSON Merge Patch, RFC 7396)."""
    report_id = request.parameters["report"]
    document = await json_of(request, limit=CONTENT_BYTES)
    try:
        return answered(
            await service.workers.run(
                verbs.save,
                reading_of(service, request),
                report_id,
                document,
                etag=if_match(request),
                patch=request.method == "PATCH",
            )
        )
    except Refused as error:
        if conflict := error.members.get("conflict"):
            error.members["conflict"] = f"/api/v1/reports/{report_id}/conflicts/{conflict}"
        raise


async def hold(service: Service, request: Request) -> Reply:
    """Handler of POST and PUT .../lease: whoever holds the report goes on holding it."""
    return reply(
        200,
        await service.workers.run(
            verbs.lease, reading_of(service, request), request.parameters["report"]
        ),
    )


async def release(service: Service, request: Request) -> Reply:
    """Handler of DELETE .../lease: it may be taken over at once."""
    return reply(
        200,
        await service.workers.run(
            verbs.lease, reading_of(service, request), request.parameters["report"], release=True
        ),
    )


async def conflicts(service: Service, request: Request) -> Reply:
    """Handler of GET .../conflicts."""
    found = await text_of(service, request, verbs.conflicts)
    return reply(200, {"conflicts": found})


async def conflict(service: Service, request: Request) -> Reply:
    """Handler of GET .../conflicts/{conflict}: settled or not."""
    wanted = request.parameters["conflict"]
    return reply(200, await text_of(service, request, verbs.conflict, wanted))


async def handle_conflict(service: Service, request: Request) -> Reply:
    """Handler of DELETE .../conflicts/{conflict}: its author has settled it; the text stays."""
    await service.workers.run(
        verbs.handle_conflict,
        reading_of(service, request),
        request.parameters["report"],
        request.parameters["conflict"],
    )
    return Reply(204)
