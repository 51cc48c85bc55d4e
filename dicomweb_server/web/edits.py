"""/api/v1/edits: studies put right, and the log of that; versions of an instance.

```json
{"kind": "correct", "study": "1.2", "attributes": {"PatientName": "王^小东", "PatientID": "17"},
 "reason": "CORRECT", "comment": "the neighbour's order was open", "by": "dr.wang"}
{"kind": "merge", "from": "P1", "into": "P2"}
{"kind": "split", "study": "1.2", "series": "1.2.3", "into": null, "attributes": {}}
```

What each does, and what is kept, is archive/edit.py's. POST answers 201 with the edits that were
made, 200 and none when everything is so already. `/edits/{edit}/undo` makes one more edit.
"""

from dataclasses import replace
from typing import Any

import orjson

from dicomweb_server.archive import edit as editing
from dicomweb_server.archive.edit import Edit, Why
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.web.bodies import json_of
from dicomweb_server.web.http import Reply, Request, content, header
from dicomweb_server.web.offers import DICOM
from dicomweb_server.web.orders import read_object
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from storage.model import Instance, SeriesKey

MOST = 1000

_FIELDS = {
    "correct": ({"study", "attributes"}, set[str]()),
    "merge": ({"from", "into"}, set[str]()),
    "split": ({"study", "series"}, {"into", "attributes"}),
}
"""What an edit of each kind must have and may have, beside who and why."""

_WHY = {"by", "comment", "reason"}


async def create(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/edits."""
    wish = await read_object(request)
    kind = wish.pop("kind", None)
    if kind not in _FIELDS:
        raise Problem(400, f"kind must be one of {', '.join(_FIELDS)}", field="kind")
    must, may = _FIELDS[kind]
    for name in wish.keys() - must - may - _WHY:
        raise Problem(400, f"{name[:80]} is nothing that {kind} knows", field=name[:80])
    for name in must - wish.keys():
        raise Problem(400, f"{kind} needs {name}", field=name)
    done = await service.workers.run(_done, service, kind, wish)
    body = orjson.dumps({"edits": [_shown(one) for one in done]})
    return content(201 if done else 200, "application/json", body)


def _done(service: Service, kind: str, wish: dict[str, Any]) -> list[Edit]:
    archive = service.archive
    why = _why(wish)
    if service.caller.account_id:
        why = replace(why, by=service.caller.name)
    if kind == "merge":
        return editing.merge_patients(archive, _text(wish, "from"), _text(wish, "into"), why)
    attributes = wish.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise Problem(400, "attributes must be an object", field="attributes")
    study_uid = _uid(wish, "study")
    if kind == "correct":
        one = editing.correct(archive, study_uid, attributes, why)
    else:
        key = SeriesKey(study_uid, _uid(wish, "series"))
        into = _uid(wish, "into") if wish.get("into") else None
        one = editing.split_series(archive, key, into=into, attributes=attributes, why=why)
    return [] if one is None else [one]


def _why(wish: dict[str, Any]) -> Why:
    texts = {name: _text(wish, name) for name in _WHY if wish.get(name)}
    return Why(**texts)


def _text(wish: dict[str, Any], name: str) -> str:
    value = wish[name]
    if not isinstance(value, str) or not value.strip() or len(value) > 1024:
        raise Problem(400, f"{name} must be a text of at most 1024 characters", field=name)
    return value


def _uid(wish: dict[str, Any], name: str) -> str:
    uid = _text(wish, name)
    if not is_uid(uid):
        raise Problem(400, f"{name} is {uid[:80]!r}, which is no UID", field=name)
    return uid


async def listed(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/edits: the log, oldest first; `after` an edit, at most `limit`."""
    asked = dict(request.query)
    limit = asked.get("limit", str(MOST))
    if not limit.isdigit() or not limit.isascii():
        raise Problem(400, f"limit={limit[:80]} is no whole number from 0 on", field="limit")
    found = await service.workers.run(
        editing.edits,
        service.archive,
        after=asked.get("after", ""),
        limit=min(int(limit), MOST),
    )
    return content(200, "application/json", orjson.dumps({"edits": [_shown(e) for e in found]}))


async def one(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/edits/{edit}."""
    found = await service.workers.run(editing.find, service.archive, request.parameters["edit"])
    return content(200, "application/json", orjson.dumps(_shown(found)))


async def undo(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/edits/{edit}/undo; the body, if any, says by whom and why."""
    wish = await json_of(request)
    done = await service.workers.run(
        editing.undo, service.archive, request.parameters["edit"], _why(wish)
    )
    return content(201, "application/json", orjson.dumps({"edits": [_shown(done)]}))


async def versions(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/instances/{instance}/versions: oldest first, the present one last."""
    uid = request.parameters["instance"]
    found = await service.workers.run(editing.versions, service.archive, uid)
    shown = [_version_shown(number, each) for number, each in enumerate(found, 1)]
    return content(200, "application/json", orjson.dumps({"versions": shown}))


async def version(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/instances/{instance}/versions/{version}: its file, bit for bit."""
    uid, number = request.parameters["instance"], request.parameters["version"]
    found = await service.workers.run(editing.versions, service.archive, uid)
    if not number.isdigit() or not number.isascii() or not 1 <= int(number[:9]) <= len(found):
        raise Problem(404, f"instance {uid} has {len(found)} versions", field="version")
    wanted = found[int(number) - 1]
    file = await service.workers.run(InstanceFile, service.archive, wanted)
    headers = (header("content-type", DICOM), header("etag", f'"{wanted.file_digest.hex()[:32]}"'))
    return Reply(200, headers, service.workers.stream(file.chunks()), file.length)


def _shown(edit: Edit) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(edit.text())
    return {name: value for name, value in said.items() if value not in ("", [], {})}


def _version_shown(number: int, instance: Instance) -> dict[str, Any]:
    return {
        "version": number,
        "edit": instance.edit or None,
        "study": instance.study_uid,
        "series": instance.series_uid,
        "transfer_syntax": instance.transfer_syntax_uid,
        "bytes": instance.file_length,
    }
