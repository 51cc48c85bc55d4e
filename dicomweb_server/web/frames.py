"""WADO-RS frames: GET .../instances/{instance}/frames/{numbers} (PS3.18 §10.4.1.1.6).

The hottest path of the server. One stored frame in the page cache costs: a cached manifest whose
version the index confirms, a place, `preadv` with RWF_NOWAIT, and three messages (head, frame,
tail): no thread, no copy of the pixels. What needs a disk, a decoder or unpacking goes to a thread.

§8.7.3: the part says which transfer syntax it is in; a client that takes any (`*`) gets what is
kept, HTJ2K once a series has settled. Frames come in the order asked, each as often as asked
(Table 10.4.1-6: "a comma-separated list of one or more non-duplicate frame numbers"; who repeats
one anyway gets it twice).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import StoredFrame
from dicomweb_server.web import etags, multipart, offers
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import instance_url_of, scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from storage.errors import NotFound
from storage.model import Buffer, Form, Instance

FRAMES_LIMIT = 100_000
"""Frame numbers one request may list."""

WHOLE_BYTES = 8 * 2**20
"""Frames up to this size together are read before the reply begins, so that its length is known."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame as it goes out."""

    payload: Buffer
    representation: Representation
    identity: str


async def frames(service: Service, request: Request) -> Reply:
    """Handler of GET .../frames/{numbers}."""
    numbers = frame_numbers(request.parameters["frames"])
    scope = scope_of(request)
    instance = retrieve.instance_ready(service.archive, scope)
    if instance is None:
        instance = await service.workers.run(retrieve.instance, service.archive, scope)
    return await frames_of(service, request, instance, numbers)


async def frames_of(
    service: Service, request: Request, instance: Instance, numbers: Sequence[int]
) -> Reply:
    """The frames with those numbers (from 1) of an instance."""
    if beyond := [n for n in numbers if n > instance.frames.count]:
        raise NotFound("frame", f"{beyond[0]} of {instance.frames.count}")
    single = len(numbers) == 1
    first = await _sent(service, request, instance, numbers[0], single=single)
    if single:
        return _one(service, request, numbers[0], first)
    held = [first]
    size = len(first.payload)
    while len(held) < len(numbers) and size < WHOLE_BYTES:
        number = numbers[len(held)]
        held.append(await _sent(service, request, instance, number, single=False))
        size += len(held[-1].payload)
    url = instance_url_of(service.root(request), scope_of(request))
    boundary = multipart.new_boundary()
    content_type = multipart.related(
        boundary, first.representation.sent_as or first.representation.media_type
    )
    headers = (header("content-type", content_type),)
    if len(held) == len(numbers):
        body: list[Buffer] = []
        for number, sent in zip(numbers, held, strict=True):
            body += (_head(boundary, url, number, sent, first=not body), sent.payload)
        return Reply(200, headers, (*body, multipart.tail(boundary)))

    async def stream() -> AsyncIterator[Buffer]:
        ahead = iter(numbers[len(held) :])
        coming = None
        for position, number in enumerate(numbers):
            if position < len(held):
                sent = held[position]
                held[position] = first
            else:
                assert coming is not None
                sent = await coming
            if position + 1 >= len(held) and (next_number := next(ahead, None)) is not None:
                coming = asyncio.ensure_future(
                    _sent(service, request, instance, next_number, single=False)
                )
            yield _head(boundary, url, number, sent, first=position == 0)
            yield sent.payload
        yield multipart.tail(boundary)

    return Reply(200, headers, stream())


def frame_numbers(text: str) -> list[int]:
    """The numbers of a comma-separated list, from 1. Raises Problem (400) naming what is none."""
    if text.isdecimal() and text.isascii() and len(text) < 10 and (number := int(text)) > 0:
        return [number]
    listed = text.split(",")
    if len(listed) > FRAMES_LIMIT:
        raise Problem(
            400, f"{len(listed)} frames are asked for, the limit is {FRAMES_LIMIT}", field="frames"
        )
    numbers: list[int] = []
    for each in listed:
        if not (each.isdecimal() and each.isascii() and len(each) < 10 and int(each) > 0):
            raise Problem(
                400,
                f"{each[:40]!r} is no frame number: they are whole numbers from 1, with commas"
                " between them",
                field="frames",
            )
        numbers.append(int(each))
    return numbers


def _one(service: Service, request: Request, number: int, sent: Sent) -> Reply:
    representation = sent.representation
    kind = "m" if representation.multipart else "s"
    tag = f'"{sent.identity}-{number}-{kind}-{representation.transfer_syntax}"'
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    if not representation.multipart:
        headers = ((b"content-type", representation.content_type.encode()), (b"etag", tag.encode()))
        return Reply(200, headers, (sent.payload,))
    # Nothing a frame holds can be its own digest, and equal frames have equal replies.
    boundary = sent.identity
    url = instance_url_of(service.root(request), scope_of(request))
    content_type = multipart.related(
        boundary, representation.sent_as or representation.media_type
    ).encode()
    head = _head(boundary, url, number, sent, first=True)
    return Reply(
        200,
        ((b"content-type", content_type), (b"etag", tag.encode())),
        (head, sent.payload, multipart.tail(boundary)),
    )


def _head(boundary: str, url: str, number: int, sent: Sent, *, first: bool) -> bytes:
    return multipart.part_head(
        boundary,
        sent.representation.content_type,
        location=f"{url}/frames/{number}",
        first=first,
    )


async def _sent(
    service: Service, request: Request, instance: Instance, number: int, *, single: bool
) -> Sent:
    """A frame in the form the client takes. Raises Problem (406)."""
    archive = service.archive
    stored = retrieve.frame_ready(archive, instance, number - 1)
    if stored is None:
        stored = await service.workers.run(retrieve.frame, archive, instance, number - 1)
    syntax = stored.transfer_syntax_uid
    representation = offers.selected(request, offers.frames(syntax, single=single))
    identity = stored.digests[0].hex()[:32] if len(stored.digests) == 1 else _joined(stored)
    if representation.transfer_syntax == syntax:
        payload: Buffer = stored.payload
        if stored.form is Form.ZSTD:
            payload = await service.workers.run(stored.unpacked)
        return Sent(payload, representation, identity)
    native = await service.workers.run(_native, archive, instance, number - 1)
    return Sent(native, representation, identity)


def _joined(stored: StoredFrame) -> str:
    return etags.fingerprint(*stored.digests)


def _native(archive: Archive, instance: Instance, frame_index: int) -> bytes:
    return retrieve.native_frame(archive, instance, frame_index).content
