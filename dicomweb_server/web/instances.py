"""WADO-RS of whole instances: a study, a series or one instance (PS3.18 §10.4.1.1.1 to .3).

An instance goes out bit for bit as it was received when its transfer syntax is acceptable, else as
an Explicit VR Little Endian file made on the way. Neither is ever whole in memory. When everything
goes out as received, the length of the body is known before its first byte.

Instances are in order (series, then Instance Number), each a part with its Content-Location.
Application errors after the first byte cannot be told in a status; the connection is then broken
off, so that no client takes half a study for a whole one.
"""

from collections.abc import Iterator, Sequence

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.web import etags, multipart, offers
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.service import Service, instance_url
from storage.model import Buffer, Instance


async def instances(service: Service, request: Request) -> Reply:
    """Handler of GET /studies/{study}, .../series/{series} and .../instances/{instance}."""
    scope = scope_of(request)
    found = await service.workers.run(retrieve.instances, service.archive, scope)
    single = scope.instance_uid is not None
    chosen = [
        offers.selected(request, offers.instances(one.transfer_syntax_uid, single=single))
        for one in found
    ]
    tag = etags.etag(
        [one.file_digest for one in found], [(one.content_type, one.multipart) for one in chosen]
    )
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    as_received = all(
        one.transfer_syntax_uid == representation.transfer_syntax
        for one, representation in zip(found, chosen, strict=True)
    )
    if not chosen[0].multipart:
        headers = (header("content-type", chosen[0].content_type), header("etag", tag))
        if as_received:
            file = await service.workers.run(retrieve.InstanceFile, service.archive, found[0])
            return Reply(200, headers, service.workers.stream(file.chunks()), length=file.length)
        made = await service.workers.run(retrieve.explicit_file, service.archive, found[0])
        return Reply(200, headers, service.workers.stream(made.chunks), length=made.length)
    # Made of the digests, so no file can hold it and equal tags mean equal bytes.
    boundary = tag.strip('"')
    root = service.root(request)
    heads = [
        multipart.part_head(
            boundary,
            representation.content_type,
            location=instance_url(root, one.study_uid, one.series_uid, one.instance_uid),
            first=number == 0,
        )
        for number, (one, representation) in enumerate(zip(found, chosen, strict=True))
    ]
    length = sum(map(len, heads)) + len(multipart.tail(boundary))
    length += sum(one.file_length for one in found)
    body = _parts(service.archive, found, chosen, heads, multipart.tail(boundary))
    content_type = multipart.related(boundary, offers.DICOM)
    return Reply(
        200,
        (header("content-type", content_type), header("etag", tag)),
        service.workers.stream(body),
        length=length if as_received else None,
    )


def _parts(
    archive: Archive,
    found: Sequence[Instance],
    chosen: Sequence[Representation],
    heads: Sequence[bytes],
    tail: bytes,
) -> Iterator[Buffer]:
    for head, one, representation in zip(heads, found, chosen, strict=True):
        yield head
        yield from _file(archive, one, representation)
    yield tail


def _file(archive: Archive, one: Instance, representation: Representation) -> Iterator[Buffer]:
    if one.transfer_syntax_uid == representation.transfer_syntax:
        yield from retrieve.InstanceFile(archive, one).chunks()
    else:
        yield from retrieve.explicit_file(archive, one).chunks
