"""Content codings: gzip (RFC 9110 §8.4.1.3) and zstd (RFC 8878), where the client takes them.

    Accept-Encoding  = #( codings [ weight ] )

Texts (JSON, XML, HTML) are encoded, pictures and frames never: they are compressed already. Without
the header, or with another coding in it, bodies go out as they are; RFC 9110 §12.5.3 would allow
more, but clients exist that cannot read what they did not ask for. A coding is part of what the
ETag stands for: bodies that have one are encoded where the tag is made.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import zstandard

from dicomweb_server.web.http import Reply, Request, Workers, close, header
from storage.model import Buffer

SMALLEST = 1024
"""Bytes of a body below which encoding it gains nothing."""

_INLINE = 8 * 1024
"""Bytes that are encoded sooner than a thread would begin."""

# Not text/event-stream: an encoder would keep back events until it has enough of them.
_TEXTS = (
    b"application/dicom+json",
    b"application/json",
    b"application/problem+json",
    b"application/openapi+json",
    b"application/vnd.sun.wadl+xml",
    b'multipart/related; type="application/dicom+xml"',
    b"text/html",
    b"text/plain",
    b"text/xml",
    b"text/css",
    b"text/javascript",
    b"image/svg",
)


class _Encoder(Protocol):
    def compress(self, content: Buffer, /) -> bytes: ...
    def flush(self) -> bytes: ...


_ENCODERS: dict[str, Callable[[], _Encoder]] = {
    # Level 3 is the fastest that shrinks JSON by much; the window fits into every browser.
    "zstd": lambda: zstandard.ZstdCompressor(level=3).compressobj(),
    "gzip": lambda: zlib.compressobj(6, wbits=31),
}
"""The server's order of preference."""


def accepted(request: Request) -> str:
    """The coding to send, "" for none."""
    asked = request.header(b"accept-encoding")
    return "" if asked is None else _chosen(asked)


@lru_cache(maxsize=256)
def _chosen(asked: str) -> str:
    weights: dict[str, float] = {}
    for each in asked[:1000].split(","):
        name, _, weight = each.partition(";")
        _, _, value = weight.partition("=")
        try:
            weights[name.strip().lower()] = float(value) if weight.strip() else 1.0
        except ValueError:
            continue
    anything = weights.get("*", 0.0)
    offered = [(weights.get(name, anything), name) for name in _ENCODERS]
    best = max(weight for weight, _ in offered)
    if best <= 0 or best < weights.get("identity", 0.0):
        return ""
    return next(name for weight, name in offered if weight == best)


def encode(coding: str, pieces: Iterable[Buffer]) -> bytes:
    """All pieces as one encoded body."""
    encoder = _ENCODERS[coding]()
    return b"".join([*(encoder.compress(piece) for piece in pieces), encoder.flush()])


async def encoded(request: Request, reply: Reply, workers: Workers) -> Reply:
    """The reply, encoded when it is a text without an ETag and the client takes a coding."""
    if b"accept-encoding" not in request.names:
        return reply
    content_type = reply.value(b"content-type") or b""
    if not content_type.startswith(_TEXTS) or not (coding := accepted(request)):
        return reply
    if reply.value(b"etag") is not None or reply.value(b"content-encoding") is not None:
        return reply
    headers = (*reply.headers, header("content-encoding", coding))
    body = reply.body
    if not isinstance(body, tuple):
        stream = stream_encoded(coding, body, workers)
        return replace(reply, headers=headers, body=stream, length=None, part=None)
    size = sum(map(len, body))
    if size < SMALLEST:
        return reply
    if size <= _INLINE:
        return replace(reply, headers=headers, body=(encode(coding, body),))
    return replace(reply, headers=headers, body=(await workers.run(encode, coding, body),))


async def stream_encoded(
    coding: str, body: AsyncIterator[Buffer], workers: Workers
) -> AsyncIterator[Buffer]:
    """A stream, encoded message by message in threads."""
    encoder = _ENCODERS[coding]()
    try:
        async for message in body:
            if piece := await workers.run(encoder.compress, message):
                yield piece
        yield encoder.flush()
    finally:
        await close(body)
