"""/api/v1/exams and /api/v1/worklists: what is to be read (reading/exams.py, worklists.py)."""

from typing import Any

from dicomweb_server.reading import exams as verbs
from dicomweb_server.reading import worklists
from dicomweb_server.web.bodies import json_of, member
from dicomweb_server.web.http import Reply, Request
from dicomweb_server.web.orders import reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service, reading_of


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/exams."""
    asked = filters(request, {"study": "study_uid", "accession": "accession"})
    found = await service.workers.run(verbs.find, reading_of(service, request), **asked)
    return reply(200, {"exams": found})


async def change(service: Service, request: Request) -> Reply:
    """Handler of PATCH /api/v1/exams/{exam}: complete with a reason, urgent or routine."""
    document = await json_of(request)
    found = await service.workers.run(
        verbs.change,
        reading_of(service, request),
        request.parameters["exam"],
        complete=member(document, "complete", bool, False),
        reason=member(document, "reason", str, ""),
        priority=member(document, "priority", str, ""),
    )
    return reply(200, found)


async def worklist(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/worklists/{worklist}."""
    name = request.parameters["worklist"]
    if name not in worklists.WORKLISTS:
        known = ", ".join(worklists.WORKLISTS)
        raise Problem(404, f"there is no worklist {name[:80]}, only {known}", field="worklist")
    known_filters = ("modality", "priority", "q", "limit", "after")
    asked = filters(request, {each: each for each in known_filters})
    found = await service.workers.run(worklists.page, reading_of(service, request), name, **asked)
    return reply(200, found)


def filters(request: Request, known: dict[str, str]) -> dict[str, Any]:
    """The query parameters under the names of a verb's arguments. Raises Problem."""
    asked: dict[str, Any] = {}
    for name, value in request.query:
        if name not in known:
            raise Problem(
                400,
                f"{name[:80]} is none of {', '.join(known)}",
                name="malformed",
                field=name[:80],
            )
        if "\x00" in value:
            raise Problem(400, f"{name} holds a NUL", name="malformed", field=name)
        if name == "limit":
            if not value.isascii() or not value.isdigit() or len(value) > 9:
                raise Problem(400, "limit is no number", name="malformed", field="limit")
            asked[known[name]] = int(value)
        else:
            asked[known[name]] = value
    return asked
