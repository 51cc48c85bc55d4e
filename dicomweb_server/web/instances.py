"""WADO-RS of whole instances: a study, a series or one instance (PS3.18 §10.4.1.1.1 to .3).

An instance goes out bit for bit as it was received when its transfer syntax is acceptable, else as
a file made on the way: in Explicit VR Little Endian, or in a compressed syntax that was asked for,
with the frames as they are kept when they are kept in it. None of them is ever whole in memory.
When no frame has to be decoded or encoded, the length of the body is known before its first byte.

Instances are in order (series, then Instance Number), each a part with its Content-Location, or a
file in a zip. Application errors after the first byte cannot be told in a status; the connection is
then broken off, so that no client takes half a study for a whole one.
"""

from collections.abc import Iterator, Sequence

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.zipping import zipped
from dicomweb_server.dicom.encode import HTJ2K_SYNTAXES, encodable
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, OCTET_STREAM
from dicomweb_server.web import bulkdata, etags, multipart, offers
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import not_acceptable
from dicomweb_server.web.service import Service, instance_url
from storage.model import Buffer, Instance


async def instances(service: Service, request: Request) -> Reply:
    """Handler of GET /studies/{study}, .../series/{series} and .../instances/{instance}."""
    scope = scope_of(request)
    found = await service.workers.run(retrieve.instances, service.archive, scope)
    chosen = _chosen(request, found, single=scope.instance_uid is not None)
    lead = chosen[0]
    if lead.media_type == OCTET_STREAM:
        return await bulkdata.bulkdata_of_all(service, request)
    tag = etags.etag(
        [one.file_digest for one in found], [(one.content_type, one.multipart) for one in chosen]
    )
    if lead.media_type == offers.ZIP:
        return _zip(service, request, found, chosen, tag)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    if not lead.multipart:
        return await alone(service, found[0], lead, tag)
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
    tail = multipart.tail(boundary)
    length = await service.workers.run(_length, service.archive, found, chosen)
    if length is not None:
        length += sum(map(len, heads)) + len(tail)
    body = _parts(service.archive, found, chosen, heads, tail)
    content_type = multipart.related(boundary, offers.DICOM)
    return Reply(
        200,
        (header("content-type", content_type), header("etag", tag)),
        service.workers.stream(body),
        length=length,
    )


async def alone(service: Service, one: Instance, chosen: Representation, tag: str) -> Reply:
    """One instance as the whole body."""
    headers = (header("content-type", chosen.content_type), header("etag", tag))
    if one.transfer_syntax_uid != chosen.transfer_syntax:
        made = await service.workers.run(retrieve.file_in, service.archive, one, chosen.syntax)
        return Reply(200, headers, service.workers.stream(made.chunks), length=made.length)
    file = await service.workers.run(retrieve.InstanceFile, service.archive, one)
    return Reply(
        200,
        headers,
        service.workers.stream(file.chunks()),
        length=file.length,
        part=lambda start, length: service.workers.stream(retrieve.pieces(file, start, length)),
    )


def _chosen(request: Request, found: Sequence[Instance], *, single: bool) -> list[Representation]:
    """How each instance goes out, all in the same media type. Raises Problem (406).

    A transfer syntax is asked for because of pixels; what has none, a report among images, is
    Explicit VR Little Endian in every syntax but the name, and goes out as that.
    """
    known: dict[offers.Offer, Representation | None] = {}
    picked: list[Representation | None] = []
    for one in found:
        offer = offers.instances(one.transfer_syntax_uid, encodable(one.pixels), single=single)
        if offer not in known:
            known[offer] = offers.acceptable(request, offer)
        picked.append(known[offer])
    lead = next((each for each in picked if each is not None), None)
    chosen: list[Representation] = []
    for one, each in zip(found, picked, strict=True):
        if each is None and lead is not None and one.pixels is None and not single:
            each = Representation(lead.media_type, lead.multipart, EXPLICIT_VR_LITTLE_ENDIAN)
        if each is None or lead is None or each.media_type != lead.media_type:
            made = encodable(one.pixels)
            offer = offers.instances(one.transfer_syntax_uid, made, single=single)
            raise not_acceptable(offer.representations)
        chosen.append(each)
    return chosen


def _length(
    archive: Archive, found: Sequence[Instance], chosen: Sequence[Representation]
) -> int | None:
    """Bytes of all files, None when one has to be made to know."""
    length = 0
    for one, representation in zip(found, chosen, strict=True):
        if one.transfer_syntax_uid == representation.transfer_syntax:
            length += one.file_length
            continue
        if representation.transfer_syntax not in HTJ2K_SYNTAXES:
            return None
        kept = retrieve.kept_file(archive, one, representation.syntax)
        if kept is None or kept.length is None:
            return None
        length += kept.length
    return length


def _parts(
    archive: Archive,
    found: Sequence[Instance],
    chosen: Sequence[Representation],
    heads: Sequence[bytes],
    tail: bytes,
) -> Iterator[Buffer]:
    for head, one, representation in zip(heads, found, chosen, strict=True):
        yield head
        yield from _file(archive, one, representation.syntax)
    yield tail


def _file(archive: Archive, one: Instance, syntax: str) -> Iterator[Buffer]:
    if one.transfer_syntax_uid == syntax:
        yield from retrieve.InstanceFile(archive, one).chunks()
    else:
        yield from retrieve.file_in(archive, one, syntax).chunks


def _zip(
    service: Service,
    request: Request,
    found: Sequence[Instance],
    chosen: Sequence[Representation],
    tag: str,
) -> Reply:
    # Its DICOMDIR has a UID of its own each time: the same files, not the same bytes.
    tag = "W/" + tag
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    scope = scope_of(request)
    name = scope.instance_uid or scope.series_uid or scope.study_uid
    files = (
        (one, each.syntax, _file(service.archive, one, each.syntax))
        for one, each in zip(found, chosen, strict=True)
    )
    headers = (
        header("content-type", offers.ZIP),
        header("content-disposition", f'attachment; filename="{name}.zip"'),
        header("etag", tag),
    )
    return Reply(200, headers, service.workers.stream(zipped(service.archive, scope, files)))
