"""WADO-RS of whole instances: a study, a series or one instance (PS3.18 §10.4.1.1.1 to .3).

An instance goes out bit for bit as it was received when its transfer syntax is acceptable, else as
a file made on the way: in Explicit VR Little Endian, or in a compressed syntax that was asked for.
Who takes any transfer syntax (`*`) gets a settled series or study as HTJ2K, the form it is kept in:
no codec runs, and the whole body is a list of places and the small bytes between them, a `Plan`,
that is remembered while the series have their versions. What has to be decoded is decoded ahead in
several threads. No body is ever whole in memory; when no frame has to be decoded or encoded, its
length is known before its first byte.

Instances are in order (series, then Instance Number), each a part with its Content-Location, or a
file in a zip. Application errors after the first byte cannot be told in a status; the connection is
then broken off, so that no client takes half a study for a whole one.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, groupby

from dicomweb_server.archive import files, retrieve, streams
from dicomweb_server.archive.ahead import ahead
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.zipping import zipped
from dicomweb_server.dicom.encode import HTJ2K_SYNTAXES, encodable
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, OCTET_STREAM
from dicomweb_server.web import bulkdata, etags, multipart, offers
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.problems import not_acceptable
from dicomweb_server.web.service import Plan, Service, instance_url
from storage.model import Buffer, Instance, Scope, SeriesKey

SMALL_FILE_BYTES = 16 * 2**20
"""An instance up to this size is made in memory while those before it are sent."""

FEW_FILES = 32
"""Of more files what surrounds the frames is not made before the first byte is sent: the first time
their length is not stated."""

Piece = Buffer | streams.Content


async def instances(service: Service, request: Request) -> Reply:
    """Handler of GET /studies/{study}, .../series/{series} and .../instances/{instance}."""
    scope = scope_of(request)
    question = (scope, service.root(request), request.header(b"accept"), tuple(request.query))
    plan = service.plans.get(question)
    if plan is None or plan.versions != await _versions(service, scope):
        return await _anew(service, request, scope, question)
    return _planned(service, request, plan)


async def _versions(service: Service, scope: Scope) -> list[tuple[SeriesKey, int]]:
    """A look-up of one series needs no thread, unless the audit has to be told of it first."""
    if scope.series_uid is not None and service.archive.viewed_ready(scope.study_uid):
        return retrieve.versions(service.archive.own, scope)
    return await service.workers.run(retrieve.versions, service.archive, scope)


async def _anew(
    service: Service, request: Request, scope: Scope, question: tuple[object, ...]
) -> Reply:
    versions = await service.workers.run(retrieve.versions, service.archive, scope)
    found = await service.workers.run(retrieve.instances, service.archive, scope)
    single = scope.instance_uid is not None
    chosen = await service.workers.run(_chosen, service.archive, request, found, single=single)
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
    headers = (
        header("content-type", multipart.related(boundary, offers.DICOM)),
        header("etag", tag),
    )
    pieces = await service.workers.run(_kept, service.archive, found, chosen, heads, tail)
    if pieces is not None:
        plan = Plan(versions, tag, headers, pieces)
        service.plans.put(question, plan, weight=plan.weight)
        return _planned(service, request, plan)
    length = _length(found, chosen)
    if length is not None:
        length += sum(map(len, heads)) + len(tail)
    body = _parts(service.archive, found, chosen, heads, tail)
    return Reply(200, headers, service.workers.stream(body), length=length)


def _planned(service: Service, request: Request, plan: Plan) -> Reply:
    """The body of a plan, or a part of it, read as it is sent."""
    if (reply := etags.not_modified(request, plan.tag)) is not None:
        return reply
    archive, pieces = service.archive, plan.pieces
    return Reply(
        200,
        plan.headers,
        service.workers.stream(streams.assembled(archive, pieces)),
        length=plan.length,
        part=lambda start, length: service.workers.stream(
            streams.part_of(archive, pieces, start, length)
        ),
    )


async def alone(service: Service, one: Instance, chosen: Representation, tag: str) -> Reply:
    """One instance as the whole body."""
    headers = (header("content-type", chosen.content_type), header("etag", tag))
    if one.transfer_syntax_uid != chosen.transfer_syntax:
        made = await service.workers.run(files.file_in, service.archive, one, chosen.syntax)
        return Reply(200, headers, service.workers.stream(made.chunks), length=made.length)
    file = await service.workers.run(retrieve.InstanceFile, service.archive, one)
    return Reply(
        200,
        headers,
        service.workers.stream(file.chunks()),
        length=file.length,
        part=lambda start, length: service.workers.stream(retrieve.pieces(file, start, length)),
    )


def _chosen(
    archive: Archive, request: Request, found: Sequence[Instance], *, single: bool
) -> list[Representation]:
    """How each instance goes out, all in the same media type. Raises Problem (406).

    A transfer syntax is asked for because of pixels; what has none, a report among images, is
    Explicit VR Little Endian in every syntax but the name, and goes out as that.
    """
    known: dict[offers.Offer, Representation | None] = {}
    picked: list[Representation | None] = []
    for one in found:
        # Of one instance alone the received file is what is wanted of any.
        kept = not single and files.kept_contents(archive, one) is not None
        made = encodable(one.pixels)
        offer = offers.instances(one.transfer_syntax_uid, made, single=single, kept=kept)
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


def _kept(
    archive: Archive,
    found: Sequence[Instance],
    chosen: Sequence[Representation],
    heads: Sequence[bytes],
    tail: bytes,
) -> list[Piece] | None:
    """The whole body, when all of it is sent as it is kept and not too much has to be worked out
    first. Small pieces are joined, so that it is little more than a list of places."""
    pieces: list[Piece] = []
    small = b""
    for head, one, representation in zip(heads, found, chosen, strict=True):
        syntax = representation.syntax
        if syntax not in HTJ2K_SYNTAXES or syntax == one.transfer_syntax_uid:
            return None
        file = files.kept_pieces(archive, one, syntax, at_once=len(found) > FEW_FILES)
        if file is None:
            return None
        small += head
        for piece in file:
            if isinstance(piece, streams.Content):
                pieces += (small, piece)
                small = b""
            else:
                small += piece
    return [*pieces, small + tail]


def _length(found: Sequence[Instance], chosen: Sequence[Representation]) -> int | None:
    """Bytes of all files, None when one has to be made to know."""
    if any(one.transfer_syntax_uid != each.syntax for one, each in zip(found, chosen, strict=True)):
        return None
    return sum(one.file_length for one in found)


def _parts(
    archive: Archive,
    found: Sequence[Instance],
    chosen: Sequence[Representation],
    heads: Sequence[bytes],
    tail: bytes,
) -> Iterator[Buffer]:
    """Small files are made ahead, several at once; a large one makes its frames ahead itself."""
    together = zip(heads, found, chosen, strict=True)
    for small, group in groupby(together, key=lambda each: _is_small(each[1])):
        if small:
            made = ahead(partial(_whole_file, archive, *each) for each in group)
            yield from chain.from_iterable(made)
        else:
            for head, one, representation in group:
                yield head
                yield from _file(archive, one, representation.syntax)
    yield tail


def _is_small(one: Instance) -> bool:
    few = one.frames.count <= 1 and len(one.holes) <= retrieve.FEW
    return few and one.file_length <= SMALL_FILE_BYTES and _native_bytes(one) <= SMALL_FILE_BYTES


def _native_bytes(one: Instance) -> int:
    pixels = one.pixels
    if pixels is None:
        return 0
    return pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8


def _whole_file(
    archive: Archive, head: bytes, one: Instance, representation: Representation
) -> list[Buffer]:
    return [head, *_file(archive, one, representation.syntax)]


def _file(archive: Archive, one: Instance, syntax: str) -> Iterator[Buffer]:
    if one.transfer_syntax_uid == syntax:
        yield from retrieve.InstanceFile(archive, one).chunks()
    else:
        yield from files.file_in(archive, one, syntax).chunks


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
