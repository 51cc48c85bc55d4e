"""/api/v1/reports: reports begun, found, looked at, moved on (reading/)."""

from datetime import datetime
from typing import Any

from dicomweb_server.reading import acting, amendments, checking, opening, verification, working
from dicomweb_server.reading import reports as verbs
from dicomweb_server.reading.once import Answer
from dicomweb_server.reading.situation import Said
from dicomweb_server.web.bodies import CONTENT_BYTES, if_match, json_of, member, once_of
from dicomweb_server.web.exams import filters
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.orders import reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service, reading_of


def answered(answer: Answer, *more: tuple[bytes, bytes]) -> Reply:
    tag = (header("etag", answer.etag),) if answer.etag else ()
    return reply(201 if answer.made else 200, answer.document, *tag, *more)


async def create(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports: 201, or 200 with the live one of the same exams."""
    document = await json_of(request)
    wanted = member(document, "exams", list, [])
    if not all(isinstance(each, str) for each in wanted):
        raise Problem(400, "exams is a list of exam_ids", name="malformed", field="exams")
    answer = await service.workers.run(
        opening.create, reading_of(service, request), wanted, once=once_of(request, document)
    )
    return answered(answer, header("location", f"/api/v1/reports/{answer.document['report_id']}"))


_FILTERS = {
    "study": "study_uid",
    "q": "q",
    "status": "status",
    "signer": "signer",
    "since": "since",
    "until": "until",
    "modality": "modality",
    "limit": "limit",
    "after": "after",
}


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports."""
    asked = filters(request, _FILTERS)
    for name in ("since", "until"):
        if name in asked:
            asked[name] = _moment(name, asked[name])
    return reply(200, await service.workers.run(verbs.find, reading_of(service, request), **asked))


def _moment(name: str, text: str) -> datetime:
    """RFC 3339 with an offset: without one, nobody knows when that is."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Problem(400, f"{name} is no time with an offset", name="malformed", field=name)
    return found


async def text_of(service: Service, request: Request, verb: Any, *arguments: Any) -> Any:
    """What a verb tells of a report's text, counted as a view of it by who asks."""
    reading, report_id = reading_of(service, request), request.parameters["report"]

    def told() -> Any:
        found = verb(reading, report_id, *arguments)
        service.doors.journal.count(service.caller, verbs.VIEWED, report_id)
        return found

    return await service.workers.run(told)


async def one(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}."""
    return answered(
        await service.workers.run(
            verbs.report, reading_of(service, request), request.parameters["report"]
        )
    )


async def act(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports/{report}/actions/{action}: the transitions."""
    return await _acted(service, request, request.parameters["action"])


async def annotate(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports/{report}/annotations: T23 by another name."""
    return await _acted(service, request, "annotate")


async def _acted(service: Service, request: Request, action: str) -> Reply:
    document = await json_of(request)
    said = Said(
        reason=member(document, "reason", str, "").strip(),
        content_hash=member(document, "content_hash", str, None),
        text=member(document, "text", str, ""),
        difficult=member(document, "difficult", bool, False),
        request_id=member(document, "request_id", str, ""),
        images_seen=member(document, "images_seen", str, ""),
    )
    for name, text in (("reason", said.reason), ("text", said.text)):
        if len(text) > amendments.TEXT_CHARACTERS:
            detail = f"{name} has more than {amendments.TEXT_CHARACTERS} characters"
            raise Problem(400, detail, name="malformed", field=name)
    return answered(
        await service.workers.run(
            acting.act,
            reading_of(service, request),
            request.parameters["report"],
            action,
            said,
            etag=if_match(request),
            once=once_of(request, document),
        )
    )


async def check(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports/{report}/checks: of the text sent, else of the saved one."""
    document = await json_of(request, limit=CONTENT_BYTES)
    found = await service.workers.run(
        checking.checked,
        reading_of(service, request),
        request.parameters["report"],
        document or None,
    )
    return reply(200, {"findings": found})


async def version(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/versions/{version}."""
    report_id, number = request.parameters["report"], numbered(request, "version")
    document, superseded = await text_of(service, request, verbs.version, number)
    # RFC 5829 §3.4: where what replaced it is.
    link = f'</api/v1/reports/{report_id}>; rel="successor-version"'
    return reply(200, document, *([header("link", link)] if superseded else []))


def numbered(request: Request, name: str) -> int:
    """A variable of the path that is a number. Raises Problem."""
    text = request.parameters[name]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Problem(404, f"{text[:80]} is no {name}", name="not-found", field=name)
    return int(text)


async def annotations(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/annotations."""
    return await _list(service, request, "annotations", verbs.annotations)


async def timeline(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/timeline."""
    return await _list(service, request, "timeline", verbs.timeline)


async def revisions(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/revisions."""
    return await _list(service, request, "revisions", working.revisions)


async def requests(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/amendment-requests."""
    return await _list(service, request, "requests", amendments.listed)


async def _list(service: Service, request: Request, name: str, verb: Any) -> Reply:
    found = await service.workers.run(
        verb, reading_of(service, request), request.parameters["report"]
    )
    return reply(200, {name: found})


async def revision(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/revisions/{revision}."""
    number = numbered(request, "revision")
    return reply(200, await text_of(service, request, working.revision, number))


async def difference(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/diff?from=&to=."""
    asked = filters(request, {"from": "from", "to": "to"})
    numbers = []
    for name in ("from", "to"):
        text = asked.get(name, "")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise Problem(400, f"{name} is no revision", name="malformed", field=name)
        numbers.append(int(text))
    return reply(200, await text_of(service, request, working.difference, *numbers))


async def verify(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports/{report}/verify: digests and signatures recomputed (I9)."""
    found = await service.workers.run(
        verification.verified, reading_of(service, request), request.parameters["report"]
    )
    return reply(
        200,
        {
            "ok": not found.faults,
            "versions": found.versions,
            "signatures": found.signatures,
            "faults": list(found.faults),
        },
    )


async def ask(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/reports/{report}/amendment-requests."""
    document = await json_of(request)
    answer = await service.workers.run(
        amendments.ask,
        reading_of(service, request),
        request.parameters["report"],
        kind=member(document, "class", str, ""),
        text=member(document, "text", str, ""),
        once=once_of(request, document),
    )
    return answered(answer)


async def decide(service: Service, request: Request) -> Reply:
    """Handler of POST .../amendment-requests/{request}/actions/{decision}."""
    document = await json_of(request)
    found = await service.workers.run(
        amendments.decide,
        reading_of(service, request),
        request.parameters["report"],
        request.parameters["request"],
        request.parameters["decision"],
        reason=member(document, "reason", str, ""),
    )
    return reply(200, found)
