"""WADO-RS bulk data: GET .../instances/{instance}/bulkdata/{path} (PS3.18 §10.4.1.1.5).

The path is what the metadata names as BulkDataURI: a tag, or tags and item numbers in turn. A value
is one part of octets, or the body itself when the client asks for `application/octet-stream`
without multipart (OHIF does for ECG waveforms). Pixel data that is frames is its frames, negotiated
as frames are.
"""

from itertools import chain

from dicomweb_server.archive import retrieve
from dicomweb_server.web import etags, multipart, offers
from dicomweb_server.web.frames import frames_of
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import instance_url_of, scope_of
from dicomweb_server.web.service import Service

# Pixel Data, Float Pixel Data, Double Float Pixel Data.
PIXEL_DATA = frozenset({"7FE00010", "7FE00008", "7FE00009"})


async def bulkdata(service: Service, request: Request) -> Reply:
    """Handler of GET .../bulkdata/{path*}."""
    scope = scope_of(request)
    path = request.parameters["path"]
    instance = await service.workers.run(retrieve.instance, service.archive, scope)
    if path.upper() in PIXEL_DATA and instance.frames.count:
        return await frames_of(service, request, instance, range(1, instance.frames.count + 1))
    representation = offers.selected(request, offers.BULK_VALUES)
    tag = etags.etag(instance.file_digest, path, representation.multipart)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    value = await service.workers.run(retrieve.bulk_value, service.archive, instance, path)
    etag = header("etag", tag)
    if not representation.multipart:
        headers = (header("content-type", representation.media_type), etag)
        return Reply(200, headers, service.workers.stream(value.chunks()), length=value.length)
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
