"""WADO-RS frames: GET .../instances/{instance}/frames/{numbers} (PS3.18 §10.4.1.1.6).

The hottest path of the server; asked again it is remembered.py's. One stored frame in the page
cache costs: a cached manifest whose version the index confirms, a place, `preadv` with RWF_NOWAIT,
and three messages (head, frame, tail): no thread, no copy of the pixels. What needs a disk, a
decoder or unpacking goes to a thread.

§8.7.3: the part says which transfer syntax it is in; a client that takes any (`*`) gets what is
kept, HTJ2K once a series has settled. Frames come in the order asked, each as often as asked
(Table 10.4.1-6: "a comma-separated list of one or more non-duplicate frame numbers"; who repeats
one anyway gets it twice).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from dicomweb_server.access.caller import Act
from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import StoredFrame
from dicomweb_server.dicom.encode import encodable
from dicomweb_server.web import etags, multipart, offers, resolutions
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import instance_url_of, scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.remembered import Basis, Headers, Likewise
from dicomweb_server.web.service import Service
from storage.errors import NotFound
from storage.model import Buffer, Form, Instance, Scope, SeriesKey

FRAMES_LIMIT = 100_000
"""Frame numbers one request may list."""

WHOLE_BYTES = 8 * 2**20
"""Frames up to this size together are read before the reply begins, so that its length is known."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame as it goes out; `kept` when its payload is that content as it lies there."""

    payload: Buffer
    representation: Representation


async def frames(service: Service, request: Request) -> Reply:
    """Handler of GET .../frames/{numbers}."""
    numbers = frame_numbers(request.parameters["frames"])
    scope = scope_of(request)
    assert scope.series_uid is not None
    # Asked before anything else is read: what the reply rests on can then only be older than it.
    version = retrieve.version(service.archive, SeriesKey(scope.study_uid, scope.series_uid))
    instance = retrieve.instance_ready(service.archive, scope)
    if instance is None:
        instance = await service.workers.run(retrieve.instance, service.archive, scope)
    return await frames_of(service, request, instance, numbers, version=version)


async def frames_of(
    service: Service,
    request: Request,
    instance: Instance,
    numbers: Sequence[int],
    *,
    version: int | None = None,
) -> Reply:
    """The frames with those numbers (from 1) of an instance.

    version  of its series, asked before the instance was; None: the reply is not remembered
    """
    if beyond := [n for n in numbers if n > instance.frames.count]:
        raise NotFound("frame", f"{beyond[0]} of {instance.frames.count}")
    if (times := resolutions.halvings(request)) is not None:
        chosen_frames = [(instance, n - 1) for n in numbers]
        return resolutions.lowered(service, request, chosen_frames, times=times)
    if len(numbers) == 1:
        return await _one(service, request, instance, numbers[0], version=version)
    chosen = await service.workers.run(
        representations, service.archive, request, instance, [n - 1 for n in numbers]
    )
    tag = etags.etag(instance.file_digest, numbers, [each.content_type for each in chosen])
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    sending = (
        Sent(retrieve.frame_in(service.archive, instance, n - 1, one.syntax), one)
        for n, one in zip(numbers, chosen, strict=True)
    )
    held = await service.workers.run(_some, sending)
    boundary = tag.strip('"')
    headers = (
        header("content-type", multipart.related(boundary, chosen[0].essence)),
        header("etag", tag),
    )
    url = instance_url_of(service.root(request), scope_of(request))
    body = _body(boundary, url, numbers, chain(held, sending))
    if len(held) == len(numbers):
        return Reply(200, headers, tuple(body))
    return Reply(200, headers, service.workers.stream(body))


def representations(
    archive: Archive, request: Request, instance: Instance, frames: Sequence[int]
) -> list[Representation]:
    """How each of those frames (from 0) goes out, multipart. Raises Problem (406)."""
    made = encodable(instance.pixels)
    syntaxes = retrieve.frame_syntaxes(archive, instance, frames)
    return [offers.selected(request, offers.frames(each, made, single=False)) for each in syntaxes]


def _some(sending: Iterator[Sent]) -> list[Sent]:
    """All frames, or WHOLE_BYTES of them when that is less."""
    held: list[Sent] = []
    size = 0
    for sent in sending:
        held.append(sent)
        size += len(sent.payload)
        if size >= WHOLE_BYTES:
            break
    return held


def _body(
    boundary: str, url: str, numbers: Sequence[int], sending: Iterator[Sent]
) -> Iterator[Buffer]:
    for position, (number, sent) in enumerate(zip(numbers, sending, strict=True)):
        yield _head(boundary, url, number, sent, first=position == 0)
        yield sent.payload
    yield multipart.tail(boundary)


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


async def _one(
    service: Service, request: Request, instance: Instance, number: int, *, version: int | None
) -> Reply:
    """One frame: without a thread when nothing has to be waited for."""
    archive = service.archive
    made = encodable(instance.pixels)
    stored = retrieve.frame_ready(archive, instance, number - 1)
    if stored is None:
        stored = await service.workers.run(retrieve.frame, archive, instance, number - 1)
    offer = offers.frames(stored.transfer_syntax_uid, made, single=True)
    representation = offers.selected(request, offer)
    tag = _tag(stored, number, representation)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    as_kept = _is_as_kept(stored, representation)
    payload: Buffer = stored.payload
    if not as_kept:
        payload = await service.workers.run(
            retrieve.frame_in, archive, instance, number - 1, representation.syntax, stored
        )
    root = service.root(request)
    url = instance_url_of(root, scope_of(request))
    headers, body = _single(stored, number, Sent(payload, representation), url, tag)
    if stored.place is None or version is None:
        return Reply(200, headers, body)
    likewise = None
    if as_kept:
        again = retrieve.kept_ready(archive, stored)
        if request.names.isdisjoint(_OF_ONE_FRAME):
            base = request.path.rpartition("/studies/")[0]
            likewise = _Likewise(base, root, stored.transfer_syntax_uid, made, representation)
    else:
        again = retrieve.made_ready(archive, instance, number - 1, representation.syntax)
    basis = _basis(instance, version, stored, representation, again, likewise)
    return Reply(200, headers, body, basis=basis)


_OF_ONE_FRAME = frozenset({b"if-none-match", b"range"})
"""Headers whose meaning depends on which frame is asked for."""

_PATH = re.compile(r"/studies/([0-9.]+)/series/([0-9.]+)/instances/([0-9.]+)/frames/([1-9]\d{0,8})")


@dataclass(frozen=True, slots=True)
class _Likewise:
    """Other frames that are asked for as one was, when they lie at hand and in the same form: what
    was chosen for the one is then right for them.

    base            what comes before `/studies` in the path of a request
    root            the same in a URL of a reply
    kept            the transfer syntax in which the frame was kept
    made            those in which it could have been had besides
    representation  in which it was sent
    """

    base: str
    root: str
    kept: str
    made: tuple[str, ...]
    representation: Representation

    def __call__(
        self, archive: Archive, path: str
    ) -> tuple[Headers, tuple[Buffer, ...], Basis] | None:
        """See `remembered.Likewise`."""
        base = self.base
        named = _PATH.fullmatch(path, len(base)) if path.startswith(base) else None
        if named is None or not archive.permits(Act.VIEW):
            return None
        study_uid, series_uid, instance_uid, digits = named.groups()
        number = int(digits)
        key = SeriesKey(study_uid, series_uid)
        found = retrieve.frame_at_hand(archive, key, instance_uid, number)
        if found is None:
            return None
        instance, stored, version = found
        representation = self.representation
        if stored.transfer_syntax_uid != self.kept or not _is_as_kept(stored, representation):
            return None
        if encodable(instance.pixels) != self.made:
            return None
        url = self.root + path[len(base) : named.start(4) - len("/frames/")]
        sent = Sent(stored.payload, representation)
        headers, body = _single(stored, number, sent, url, _tag(stored, number, representation))
        again = retrieve.kept_ready(archive, stored)
        return headers, body, _basis(instance, version, stored, representation, again, self)


def _is_as_kept(stored: StoredFrame, representation: Representation) -> bool:
    """Whether the payload goes out as it lies there."""
    return representation.transfer_syntax in stored.transfer_syntaxes and (
        stored.form is not Form.ZSTD
    )


def _basis(
    instance: Instance,
    version: int,
    stored: StoredFrame,
    representation: Representation,
    again: Callable[[], Buffer | None],
    likewise: Likewise | None,
) -> Basis:
    """What a reply rests on that holds a frame made of one content."""
    assert stored.place is not None
    series = SeriesKey(instance.study_uid, instance.series_uid)
    return Basis(
        Scope(series.study_uid, series.series_uid),
        ((series, version),),
        ((stored.digests[0], stored.place),),
        again,
        int(representation.multipart),
        likewise,
    )


def _tag(stored: StoredFrame, number: int, representation: Representation) -> str:
    kind = "m" if representation.multipart else "s"
    return f'"{_identity(stored)}-{number}-{kind}-{representation.transfer_syntax}"'


def _single(
    stored: StoredFrame, number: int, sent: Sent, url: str, tag: str
) -> tuple[Headers, tuple[Buffer, ...]]:
    """Headers and body of the reply that is one frame. `url` is that of its instance, `tag` what
    `_tag` says."""
    representation = sent.representation
    etag = (b"etag", tag.encode())
    if not representation.multipart:
        return ((b"content-type", representation.content_type.encode()), etag), (sent.payload,)
    # Nothing a frame holds can be its own digest, and equal frames have equal replies.
    boundary = _identity(stored)
    content_type = (b"content-type", multipart.related(boundary, representation.essence).encode())
    head = _head(boundary, url, number, sent, first=True)
    return (content_type, etag), (head, sent.payload, multipart.tail(boundary))


def _head(boundary: str, url: str, number: int, sent: Sent, *, first: bool) -> bytes:
    return multipart.part_head(
        boundary,
        sent.representation.content_type,
        location=f"{url}/frames/{number}",
        first=first,
    )


def _identity(stored: StoredFrame) -> str:
    """32 hex digits that equal frames share."""
    if len(stored.digests) == 1:
        return stored.digests[0].hex()[:32]
    return etags.fingerprint(*stored.digests)
