"""Frames at a lower resolution: `?resolution=N` on .../frames/{numbers} and .../pixeldata.

Not of the standard, which has no request for a part of a codestream but `Range` on one frame. A
series comes so in one request, a part a frame, in order:

    Content-Type: image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202
    Content-Location: .../instances/1.2.3/frames/1
    Content-Range: bytes 0-4981/131584

The part is the beginning of the frame's HTJ2K codestream and decodes to 1/N of its rows and columns
(rounded up). `Content-Range` says so, and how long the whole is: the rest is the same frame with
`Range: bytes=4982-` and `Accept: image/jphc`, and both joined are the frame. A frame of which there
is no such prefix (1-bit, 32-bit, what cannot be decoded) goes whole, as it is kept, without
Content-Range.
"""

from collections.abc import Iterator, Sequence

from dicomweb_server.archive import prefixes, retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS_RPCL,
    OCTET_STREAM,
    transfer_syntax,
)
from dicomweb_server.web import etags, multipart, offers
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service, instance_url
from storage.model import Buffer, Instance

RESOLUTIONS = {str(1 << halvings): halvings for halvings in range(6)}
"""How often a picture is halved, by the parameter's value. The archive's codestreams have five."""

Frame = tuple[Instance, int]
"""An instance and a frame of it, from 0."""

_MEDIA_TYPE = transfer_syntax(HTJ2K_LOSSLESS_RPCL).media_type
_OFFER = offers.of(
    (
        Representation(_MEDIA_TYPE, True, HTJ2K_LOSSLESS_RPCL),
        Representation(OCTET_STREAM, True, HTJ2K_LOSSLESS_RPCL, sent_as=_MEDIA_TYPE),
    )
)


def halvings(request: Request) -> int | None:
    """What `resolution` asks for, None when it is not there. Raises Problem (400)."""
    asked = next((value for name, value in request.query if name == "resolution"), None)
    if asked is None:
        return None
    if asked not in RESOLUTIONS:
        raise Problem(
            400,
            f"resolution={asked[:40]} is none of {', '.join(RESOLUTIONS)}: so many times fewer rows"
            " and columns",
            field="resolution",
        )
    return RESOLUTIONS[asked]


def lowered(service: Service, request: Request, frames: Sequence[Frame], *, times: int) -> Reply:
    """Those frames, halved so many times. Raises Problem (406) for who does not take HTJ2K."""
    representation = offers.selected(request, _OFFER)
    tag = etags.etag(times, [(instance.file_digest, index) for instance, index in frames])
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    boundary = tag.strip('"')
    body = _body(service.archive, frames, boundary, service.root(request), times)
    content_type = multipart.related(boundary, representation.essence)
    return Reply(
        200,
        (header("content-type", content_type), header("etag", tag)),
        service.workers.stream(body),
    )


def _body(
    archive: Archive, frames: Sequence[Frame], boundary: str, root: str, times: int
) -> Iterator[Buffer]:
    for number, (one, index) in enumerate(frames):
        url = instance_url(root, one.study_uid, one.series_uid, one.instance_uid)
        content_type, content_range, payload = _part(archive, one, index, times)
        yield multipart.part_head(
            boundary,
            content_type,
            location=f"{url}/frames/{index + 1}",
            content_range=content_range,
            first=number == 0,
        )
        yield payload
    yield multipart.tail(boundary)


def _part(archive: Archive, one: Instance, index: int, times: int) -> tuple[str, str | None, bytes]:
    """Content-Type, Content-Range and content of a part."""
    found = prefixes.prefix(archive, one, index, halvings=times)
    if found is not None:
        content_type = f"{_MEDIA_TYPE}; transfer-syntax={HTJ2K_LOSSLESS_RPCL}"
        return content_type, f"bytes 0-{len(found.payload) - 1}/{found.whole_bytes}", found.payload
    kept = transfer_syntax(retrieve.frame_syntaxes(archive, one, (index,))[0])
    uid = EXPLICIT_VR_LITTLE_ENDIAN if kept.big_endian else kept.uid
    payload = bytes(retrieve.frame_in(archive, one, index, uid))
    return f"{kept.media_type}; transfer-syntax={uid}", None, payload
