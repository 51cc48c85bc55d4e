"""Parts of a body (RFC 9110 §14): Range, If-Range, 206, 416.

    Range             = "bytes=" #( int-range / suffix-range )
    If-Range          = entity-tag / HTTP-date

Whatever has a strong ETag and a known length can be had in parts, multipart bodies too: equal tags
mean equal bytes. Several ranges at once are answered with the whole ("A server MAY ignore the Range
header field", §14.2). Dates never validate, since nothing here has one.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from dicomweb_server.web.http import Reply, Request, close, header
from dicomweb_server.web.problems import Problem
from storage.model import Buffer

_RANGE = re.compile(r"[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*")
_ACCEPTED = header("accept-ranges", "bytes")


def ranged(request: Request, reply: Reply) -> Reply:
    """The part that is asked for, or the reply as it is. Raises Problem (416)."""
    if reply.status != 200 or (tag := reply.value(b"etag")) is None or tag.startswith(b"W/"):
        return reply
    body = reply.body
    length = sum(map(len, body)) if isinstance(body, tuple) else reply.length
    if length is None:
        return reply
    reply = reply.with_headers(_ACCEPTED)
    # §14.2: "A server MUST ignore a Range header field received with a request method that is
    # unrecognized or for which range handling is not defined", which is all but GET.
    asked = request.header(b"range")
    if asked is None or request.method != "GET":
        return reply
    condition = request.header(b"if-range")
    if condition is not None and condition.strip().encode("latin-1") != tag:
        return reply
    found = _asked(asked, length)
    if found is None:
        return reply
    start, end = found
    if start >= end:
        raise Problem(
            416,
            f"Range {asked[:80]} is outside of what there is, {length} bytes",
            field="Range",
            headers=(header("content-range", f"bytes */{length}"),),
        )
    content_range = header("content-range", f"bytes {start}-{end - 1}/{length}")
    partial = replace(reply, status=206, headers=(*reply.headers, content_range), basis=None)
    if isinstance(body, tuple):
        return replace(partial, body=_cut(body, start, end))
    if reply.part is not None:
        stream = _instead(body, reply.part(start, end - start))
    else:
        stream = _streamed(body, start, end)
    return replace(partial, body=stream, length=end - start, part=None)


def _asked(text: str, length: int) -> tuple[int, int] | None:
    """First byte and the one after the last of a single range, empty when none of it is there;
    None for what is to be ignored: other units, several ranges, nonsense (§14.1.1)."""
    unit, _, ranges = text.partition("=")
    found = _RANGE.fullmatch(ranges)
    if unit.strip().lower() != "bytes" or found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, length - int(found[2])), length
    first = int(found[1])
    last = int(found[2]) if found[2] else length - 1
    if found[2] and last < first:
        return None
    return first, min(last + 1, length)


def _cut(body: tuple[Buffer, ...], start: int, end: int) -> tuple[Buffer, ...]:
    cut: list[Buffer] = []
    at = 0
    for message in body:
        low, high = max(start - at, 0), min(end - at, len(message))
        if low < high:
            cut.append(memoryview(message)[low:high])
        at += len(message)
    return tuple(cut)


async def _instead(
    whole: AsyncIterator[Buffer], part: AsyncIterator[Buffer]
) -> AsyncIterator[Buffer]:
    await close(whole)
    try:
        async for message in part:
            yield message
    finally:
        await close(part)


async def _streamed(body: AsyncIterator[Buffer], start: int, end: int) -> AsyncIterator[Buffer]:
    """What lies between of a stream that can only be made from its first byte on."""
    at = 0
    try:
        async for message in body:
            for piece in _cut((message,), start - at, end - at):
                yield piece
            at += len(message)
            if at >= end:
                return
    finally:
        await close(body)
