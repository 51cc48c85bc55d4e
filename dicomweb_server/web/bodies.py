"""Small bodies of requests, JSON mostly, read up to a limit."""

import hashlib
import json
from typing import Any

import orjson

from dicomweb_server.reading.once import Once
from dicomweb_server.web.http import Request, header
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.receiving import Room

OBJECT_BYTES = 256 * 1024
CONTENT_BYTES = 4 * 2**20
"""Of a report's text with its fields and references."""
KEY_CHARACTERS = 200

ALWAYS_BYTES = 16 * 1024
"""Of a body that there is always room for, as there is for the head of a request."""

_room = Room(64 * 2**20)
"""For the rest of those that a process has not read to their end, slow as they may come."""


async def read(request: Request, *, limit: int) -> bytes:
    """The request's body. Raises Problem."""
    pieces: list[bytes] = []
    length = taken = 0
    try:
        async for piece in request.chunks():
            pieces.append(piece)
            length += len(piece)
            if length > limit:
                raise Problem(413, f"the body is longer than {limit} bytes", field="body")
            beyond = max(0, length - ALWAYS_BYTES) - taken
            if not _room.take(beyond):
                raise Problem(
                    503,
                    "too many bodies are being received; this one would be too much",
                    headers=(header("retry-after", "5"),),
                )
            taken += beyond
    finally:
        _room.give_back(taken)
    return b"".join(pieces)


async def json_of(request: Request, *, limit: int = OBJECT_BYTES) -> dict[str, Any]:
    """The request's body, a JSON object; {} when there is none. Raises Problem."""
    body = await read(request, limit=limit)
    if not body:
        return {}
    try:
        found = orjson.loads(body)
    except ValueError as error:
        raise Problem(
            400, f"the body is no JSON: {error}", name="malformed", field="body"
        ) from None
    if not isinstance(found, dict):
        raise Problem(400, "the body is no JSON object", name="malformed", field="body")
    return found


def member(document: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    """A member of a body, of one type. Raises Problem."""
    value = document.get(name, default)
    if value is not default and not isinstance(value, kind):
        what = {str: "text", bool: "true or false", list: "list"}.get(kind, kind.__name__)
        raise Problem(400, f"{name} is no {what}", name="malformed", field=name)
    if isinstance(value, str) and "\x00" in value:
        raise Problem(400, f"{name} holds a NUL", name="malformed", field=name)
    return value


def once_of(request: Request, document: dict[str, Any]) -> Once | None:
    """The Idempotency-Key of a request, with what it belongs to. Raises Problem."""
    key = request.header(b"idempotency-key")
    if key is None:
        return None
    key = key.strip().strip('"')
    if not 0 < len(key) <= KEY_CHARACTERS or not key.isprintable():
        raise Problem(
            400,
            f"an Idempotency-Key has 1 to {KEY_CHARACTERS} printable characters",
            name="malformed",
            field="Idempotency-Key",
        )
    said = json.dumps([request.method, request.route_path, document], sort_keys=True)
    return Once(key, hashlib.sha256(said.encode()).hexdigest())


def if_match(request: Request) -> str | None:
    """The one entity tag of If-Match; None when it is not there. Raises Problem."""
    tag = request.header(b"if-match")
    if tag is None:
        return None
    if "," in tag:
        raise Problem(400, "name one revision", name="malformed", field="If-Match")
    return tag.strip()
