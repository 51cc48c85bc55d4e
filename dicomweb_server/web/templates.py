"""/api/v1/templates and /api/v1/phrases (reading/templates.py).

```json
{"title": "胸部CT平扫", "language": "zh-CN", "status": "ACTIVE", "modality": "CT",
 "body_part": "CHEST", "sections": {"findings": "双肺清晰。", "impression": "未见明显异常。"},
 "fields": [{"name": "size", "label": "大小", "type": "number", "unit": "mm"}]}
```

`?format=mrrt` takes and gives IHE MRRT (reading/mrrt.py). Every change is a new version.
"""

from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act
from dicomweb_server.reading import mrrt, templates
from dicomweb_server.reading.template import STATUSES, Phrase, Template
from dicomweb_server.web.bodies import read
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.orders import reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service

BODY_BYTES = 1024 * 1024

_FILTERS = frozenset({"modality", "body_part", "language", "procedure", "status"})
_PHRASE_FILTERS = frozenset({"modality", "body_part", "language", "section"})


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/templates: those that fit an examination, or all."""
    asked = _asked(request, _FILTERS)
    if asked.get("status", "ACTIVE") not in STATUSES:
        raise Problem(
            400, f"status is none of {', '.join(STATUSES)}", name="malformed", field="status"
        )
    found = await _read(service, lambda s: templates.templates(s, request.caller, **asked))
    return reply(200, {"templates": [each.as_json() for each in found]})


async def create(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/templates."""
    said = await _template_in(request)
    made = await _write(service, lambda s: templates.add_template(s, request.caller, said))
    location = header("location", f"/api/v1/templates/{made.template_id}")
    return reply(201, made.as_json(), location)


async def one(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/templates/{template}: the newest version, or `?version=N`."""
    asked = _asked(request, frozenset({"version", "format"}))
    version = asked.get("version", "")
    if version and not (version.isdecimal() and version.isascii() and len(version) < 7):
        raise Problem(404, f"there is no version {version[:40]}", name="not-found", field="version")
    request.caller.permit(Act.READ_REPORTS)
    identity = request.parameters["template"]
    found = await _read(
        service, lambda s: templates.template(s, identity, int(version) if version else None)
    )
    if _is_mrrt(asked):
        headers = (
            header("content-type", "text/html; charset=utf-8"),
            header("content-disposition", 'attachment; filename="template.html"'),
            header("content-security-policy", "default-src 'none'; sandbox"),
            header("x-content-type-options", "nosniff"),
        )
        return Reply(200, headers, (mrrt.html_of(found).encode(),))
    return reply(200, found.as_json())


async def change(service: Service, request: Request) -> Reply:
    """Handler of PUT /api/v1/templates/{template}: makes a new version."""
    said = await _template_in(request)
    identity = request.parameters["template"]
    made = await _write(
        service, lambda s: templates.change_template(s, request.caller, identity, said)
    )
    return reply(200, made.as_json())


async def phrases(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/phrases."""
    asked = _asked(request, _PHRASE_FILTERS)
    found = await _read(service, lambda s: templates.phrases(s, request.caller, **asked))
    return reply(200, {"phrases": [each.as_json() for each in found]})


async def create_phrase(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/phrases."""
    said = _object(await read(request, limit=BODY_BYTES))
    made = await _write(service, lambda s: templates.add_phrase(s, request.caller, said))
    location = header("location", f"/api/v1/phrases/{made.phrase_id}")
    return reply(201, made.as_json(), location)


async def change_phrase(service: Service, request: Request) -> Reply:
    """Handler of PUT /api/v1/phrases/{phrase}."""
    said = _object(await read(request, limit=BODY_BYTES))
    identity = request.parameters["phrase"]
    made = await _write(
        service, lambda s: templates.change_phrase(s, request.caller, identity, said)
    )
    return reply(200, made.as_json())


async def retire_phrase(service: Service, request: Request) -> Reply:
    """Handler of DELETE /api/v1/phrases/{phrase}: offered no more, kept on record."""
    identity = request.parameters["phrase"]
    await _write(service, lambda s: templates.retire_phrase(s, request.caller, identity))
    return Reply(204)


Found = list[Template] | list[Phrase] | Template | Phrase | None


async def _read(service: Service, work: Callable[[Session], Any]) -> Any:
    def reading() -> Found:
        with service.records.read() as session:
            return work(session)  # type: ignore[no-any-return]

    return await service.workers.run(reading)


async def _write(service: Service, work: Callable[[Session], Any]) -> Any:
    return await service.workers.run(service.records.writing, work)


async def _template_in(request: Request) -> dict[str, Any]:
    body = await read(request, limit=BODY_BYTES)
    is_mrrt = _is_mrrt(_asked(request, frozenset({"format"})))
    return mrrt.template_from(body) if is_mrrt else _object(body)


def _is_mrrt(asked: dict[str, str]) -> bool:
    if asked.get("format", "mrrt") != "mrrt":
        raise Problem(400, "format can be mrrt", name="malformed", field="format")
    return "format" in asked


def _asked(request: Request, known: frozenset[str]) -> dict[str, str]:
    asked = dict(request.query)
    for name in asked.keys() - known:
        raise Problem(
            400, f"{name[:80]} is nothing that is known here", name="malformed", field=name[:80]
        )
    return asked


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError as error:
        raise Problem(
            400, f"the body is no JSON: {error}", name="malformed", field="body"
        ) from None
    if not isinstance(found, dict):
        raise Problem(400, "the body is no JSON object", name="malformed", field="body")
    return found
