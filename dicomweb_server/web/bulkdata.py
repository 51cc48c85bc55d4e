"""WADO-RS bulk data (PS3.18 §10.4.1.1.5): one value by its URI, `.../instances/{instance}/bulkdata/
{path}`, and the resources `bulkdata` and `pixeldata` of a study, a series or an instance, which are
all values or all pixels in the order of the instances.

The path is what the metadata names as BulkDataURI: a tag, or tags and item numbers in turn. A value
is one part of octets, or the body itself when the client asks for it without multipart (OHIF does
for ECG waveforms); an encapsulated document can be had as what it is. Pixel data that is frames is
its frames, a part each, negotiated as frames are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from typing import Any

import orjson

from dicomweb_server.archive import files, retrieve, streams
from dicomweb_server.archive.ahead import ahead
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.streams import Content
from dicomweb_server.dicom.encode import HTJ2K_SYNTAXES, encodable
from dicomweb_server.dicom.lookup_tables import BULK_DATA
from dicomweb_server.dicom.transfer_syntaxes import (
    HTJ2K_LOSSLESS_RPCL,
    OCTET_STREAM,
    transfer_syntax,
)
from dicomweb_server.web import etags, multipart, offers, resolutions
from dicomweb_server.web.frames import frames_of, representations
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import instance_url_of, scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.service import Service, instance_url
from storage.errors import NotFound
from storage.model import Buffer, Instance, Scope

PIXEL_DATA = ("7FE00010", "7FE00008", "7FE00009")
"""Pixel Data, Float Pixel Data, Double Float Pixel Data."""

ENCAPSULATED_DOCUMENT = "00420011"


async def bulkdata(service: Service, request: Request) -> Reply:
    """Handler of GET .../bulkdata/{path*}."""
    scope = scope_of(request)
    path = request.parameters["path"]
    instance = await service.workers.run(retrieve.instance, service.archive, scope)
    if path.upper() in PIXEL_DATA and instance.frames.count:
        return await frames_of(service, request, instance, range(1, instance.frames.count + 1))
    media_type = await service.workers.run(media_type_of, service.archive, instance, path)
    representation = offers.selected(request, offers.values(media_type))
    tag = etags.etag(
        instance.file_digest, path, representation.content_type, representation.multipart
    )
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    value = await service.workers.run(retrieve.bulk_value, service.archive, instance, path)
    etag = header("etag", tag)
    if not representation.multipart:
        headers = (header("content-type", representation.content_type), etag)
        return Reply(
            200,
            (*headers, *guards(representation.media_type)),
            service.workers.stream(value.chunks()),
            length=value.length,
            part=lambda start, length: service.workers.stream(value.part(start, length)),
        )
    boundary = tag.strip('"')
    url = f"{instance_url_of(service.root(request), scope)}/bulkdata/{path}"
    head = multipart.part_head(boundary, representation.content_type, location=url, first=True)
    tail = multipart.tail(boundary)
    headers = (header("content-type", multipart.related(boundary, representation.media_type)), etag)
    return Reply(
        200,
        headers,
        service.workers.stream(chain((head,), value.chunks(), (tail,))),
        length=len(head) + value.length + len(tail),
    )


def guards(media_type: str) -> tuple[tuple[bytes, bytes], ...]:
    """Headers that keep a browser from running what a data set holds: this server did not write
    it, and its own pages live under the same origin. Browsers show no PDF in a sandbox."""
    nosniff = header("x-content-type-options", "nosniff")
    if media_type == "application/pdf":
        return (nosniff,)
    policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return (nosniff, header("content-security-policy", policy))


def media_type_of(archive: Archive, instance: Instance, path: str) -> str:
    """What a value holds, where the instance says it: a video, an encapsulated document."""
    if path.upper() in PIXEL_DATA:
        syntax = transfer_syntax(instance.transfer_syntax_uid)
        return syntax.media_type if syntax.video else OCTET_STREAM
    if path != ENCAPSULATED_DOCUMENT:
        return OCTET_STREAM
    values = document_of(archive, instance).get("00420012", {}).get("Value") or [""]
    named = str(values[0]).strip().lower()
    return named if offers.is_media_type(named) else OCTET_STREAM


def document_of(archive: Archive, instance: Instance) -> dict[str, Any]:
    """The DICOM JSON of an instance. Raises NotFound when it has been deleted meanwhile."""
    scope = Scope(instance.study_uid, instance.series_uid, instance.instance_uid)
    found: dict[str, Any] = orjson.loads(retrieve.instance_metadata(archive, scope)[0])
    return found


# --- the resources of all -------------------------------------------------------------------------


async def bulkdata_of_all(service: Service, request: Request) -> Reply:
    """Handler of GET .../bulkdata on the three levels."""
    return await _all(service, request, pixels_only=False)


async def pixeldata_of_all(service: Service, request: Request) -> Reply:
    """Handler of GET .../pixeldata on the three levels."""
    if (times := resolutions.halvings(request)) is not None:
        found = await service.workers.run(retrieve.instances, service.archive, scope_of(request))
        frames = [(one, index) for one in found for index in range(one.frames.count)]
        if not frames:
            raise NotFound("frame", request.path)
        return resolutions.lowered(service, request, frames, times=times)
    return await _all(service, request, pixels_only=True)


@dataclass(frozen=True, slots=True)
class _Part:
    """frame    index of the frame that it is, None for the whole value at `path`
    content  the frame, when it is sent as it is kept
    """

    instance: Instance
    path: str
    frame: int | None
    representation: Representation
    content: Content | None = None


async def _all(service: Service, request: Request, *, pixels_only: bool) -> Reply:
    scope = scope_of(request)
    archive = service.archive
    found = await service.workers.run(retrieve.instances, archive, scope)
    parts = await service.workers.run(_listed, archive, request, found, pixels_only=pixels_only)
    if not parts:
        name = "pixel data" if pixels_only else "bulk data"
        raise NotFound(name, scope.instance_uid or scope.series_uid or scope.study_uid)
    tag = etags.etag(
        [(one.instance.file_digest, one.path, one.representation.content_type) for one in parts]
    )
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    boundary = tag.strip('"')
    content_type = multipart.related(boundary, parts[0].representation.essence)
    body = streams.assembled(archive, _body(archive, parts, boundary, service.root(request)))
    return Reply(
        200,
        (header("content-type", content_type), header("etag", tag)),
        service.workers.stream(body),
    )


def _listed(
    archive: Archive, request: Request, found: Sequence[Instance], *, pixels_only: bool
) -> list[_Part]:
    """What is sent, in order. Raises Problem (406)."""
    parts: list[_Part] = []
    for instance in found:
        if pixels_only and instance.frames.count:
            parts += _frames_of(archive, request, instance)
            continue
        document = document_of(archive, instance)
        paths = [each for each in PIXEL_DATA if "BulkDataURI" in document.get(each, {})]
        if not pixels_only:
            paths = list(_uris(document))
        for path in paths:
            if path in PIXEL_DATA and instance.frames.count:
                parts += _frames_of(archive, request, instance)
            else:
                offer = offers.values(media_type_of(archive, instance, path))
                multiparts = offers.multipart_of(offer)
                parts.append(_Part(instance, path, None, offers.selected(request, multiparts)))
    return parts


def _frames_of(archive: Archive, request: Request, instance: Instance) -> list[_Part]:
    pixels, count = instance.pixels, instance.frames.count
    path = PIXEL_DATA[0]
    if pixels is not None and pixels.floating:
        path = PIXEL_DATA[1 if pixels.bits_allocated == 32 else 2]
    contents = files.kept_contents(archive, instance)
    if contents is not None:
        offer = offers.frames(HTJ2K_LOSSLESS_RPCL, encodable(pixels), single=False)
        one = offers.selected(request, offer)
        if one.syntax in HTJ2K_SYNTAXES:
            return [_Part(instance, path, n, one, each) for n, each in enumerate(contents)]
    chosen = representations(archive, request, instance, range(count))
    return [_Part(instance, path, n, one) for n, one in enumerate(chosen)]


def _uris(document: dict[str, Any]) -> Iterator[str]:
    """The path of every value that is bulk data, in the order of the data set."""
    for element in document.values():
        uri = element.get("BulkDataURI", "")
        if uri.startswith(BULK_DATA):
            yield uri.removeprefix(BULK_DATA)
        for item in element.get("Value") or ():
            if element["vr"] == "SQ" and isinstance(item, dict):
                yield from _uris(item)


def _body(
    archive: Archive, parts: Sequence[_Part], boundary: str, root: str
) -> Iterator[Buffer | Content]:
    for made, group in groupby(enumerate(parts), key=lambda each: _is_made(each[1])):
        listed = list(group)
        payloads: Iterator[Iterable[Buffer | Content]]
        if made:
            works = (partial(retrieve.frame_in, archive, *_asked(each)) for _, each in listed)
            payloads = ((one,) for one in ahead(works))
        else:
            payloads = (_kept(archive, each) for _, each in listed)
        for (number, part), payload in zip(listed, payloads, strict=True):
            one = part.instance
            url = instance_url(root, one.study_uid, one.series_uid, one.instance_uid)
            yield multipart.part_head(
                boundary,
                part.representation.content_type,
                location=f"{url}/{BULK_DATA}{part.path}",
                first=number == 0,
            )
            yield from payload
    yield multipart.tail(boundary)


def _is_made(part: _Part) -> bool:
    """Whether it is a frame that may have to be decoded or encoded."""
    return part.frame is not None and part.content is None


def _asked(part: _Part) -> tuple[Instance, int, str]:
    assert part.frame is not None, "a part that is no frame"
    return part.instance, part.frame, part.representation.syntax


def _kept(archive: Archive, part: _Part) -> Iterable[Buffer | Content]:
    if part.content is not None:
        return (part.content,)
    return retrieve.bulk_value(archive, part.instance, part.path).chunks()
