"""What a reading page needs first, in one answer: GET /api/v1/studies/{study}/opening?series=UID.

Not of the standard. Who asks for the series of a study, with that for the metadata of one of them,
and with that for a frame, waits for three round trips before there is a picture. Here they come
together, in the order in which a page can use them:

    multipart/mixed           Content-Location
      application/dicom+json  .../studies/1.2/series               as the search answers
      application/dicom+json  .../instances/1.2.3.4/metadata       of the image that is shown first
      image/jphc or another   .../instances/1.2.3.4/frames/1       that image, as it is kept
      application/json        .../studies/1.2/series/1.2.3/metadata

Each part is what a GET of its Content-Location gives, made by the same handler with the same
rights; but of the metadata of the series, whose instances say nearly the same, each instance has
only what is other than in the one before it, and null for what it does not have; so they are a
tenth as long for a page to read:

    [{"00080018": {...}, "00100020": {...}, ...}, {"00080018": {...}, "00201041": null}, ...]

There, `BulkDataURI` is relative to the instance: "bulkdata/7FE00010" is of .../instances/1.2.3.4/.
Of a series without pictures, two parts are missing; of a study without series, all but the first;
what is long by itself is left out too, and asked for by itself.
It is compressed as one: frames gain nothing by it, and lose next to nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import orjson

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.web import encodings, etags, frames, metadata, multipart, search
from dicomweb_server.web.http import Reply, Request, close, header
from dicomweb_server.web.offers import DICOM_JSON
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Handler, Service, instance_url
from storage.model import Buffer, Instance, QueryLevel, Scope, SeriesKey

SHOWN = ("0008103E", "00080021", "00080031", "00200011", "00180015")
"""Of each series: Description, Date, Time, Number, Body Part Examined."""

FORMAT = "opening 2"
"""In its entity tag: a page of another format must not be given what its browser has kept."""

FRAME_BYTES = 2**20
"""A larger frame is asked for by itself: what a round trip costs beside it is little."""

_ANY_SYNTAX = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
_NEGOTIATED = frozenset({b"accept", b"accept-encoding", b"if-none-match", b"range", b"if-range"})
_PER_FRAME = b'"52009230"'

_series_of_study = search.searcher(QueryLevel.SERIES)


def link(study_uid: str, series_uid: str | None) -> str:
    """The path of an opening, relative to the pages."""
    query = f"?{urlencode({'series': series_uid})}" if series_uid else ""
    return f"./api/v1/studies/{study_uid}/opening{query}"


async def opening(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/studies/{study}/opening."""
    wanted = next((value for name, value in request.query if name == "series"), None)
    if wanted is not None and not is_uid(wanted):
        raise Problem(400, f"series={wanted[:80]!r} is no UID", field="series")
    study, root, archive = request.parameters["study"], service.root(request), service.archive
    run = service.workers.run
    versions = await run(retrieve.versions, archive, Scope(study))
    rows = await _body(_series_of_study, service, request, {"study": study}, SHOWN)
    series = _chosen(orjson.loads(rows or b"[]"), wanted)
    first = await run(_first, archive, study, series) if series else None
    frame_request = _inner(request, (), accept=_ANY_SYNTAX)
    kept = (
        (await run(frames.representations, archive, frame_request, first[0], [first[1]]))[0]
        if first
        else None
    )
    coding = encodings.accepted(request)
    facts = (FORMAT, versions, root, series, first and (first[0].instance_uid, first[1]))
    tag = etags.etag(*facts, kept and kept.content_type, coding)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    boundary = etags.fingerprint(*facts)
    headers = [
        header("content-type", f"multipart/mixed; boundary={boundary}"),
        header("etag", tag),
    ]
    if coding:
        headers.append(header("content-encoding", coding))
        if (body := service.encoded.get(tag)) is not None:
            return Reply(200, headers, (body,))
    study_url = f"{root}/studies/{study}"
    parts: list[tuple[str, str, Buffer]] = [(DICOM_JSON, f"{study_url}/series", rows or b"[]")]
    if first and kept:
        instance, index = first
        named = {"study": study, "series": instance.series_uid, "instance": instance.instance_uid}
        url = instance_url(root, study, instance.series_uid, instance.instance_uid)
        own = await _body(metadata.metadata, service, request, named)
        payload = await run(retrieve.frame_in, archive, instance, index, kept.syntax)
        if own and len(payload) <= FRAME_BYTES:
            parts.append((DICOM_JSON, f"{url}/metadata", own))
            parts.append((kept.content_type, f"{url}/frames/{index + 1}", payload))
    if series:
        whole = await run(_changes_of, service, SeriesKey(study, series))
        if whole:
            parts.append(("application/json", f"{study_url}/series/{series}/metadata", whole))
    pieces = _pieces(boundary, parts)
    if not coding:
        return Reply(200, headers, tuple(pieces))
    body = await run(encodings.encode, coding, pieces)
    service.encoded.put(tag, body, weight=len(body))
    return Reply(200, headers, (body,))


def _chosen(rows: Sequence[Mapping[str, Mapping[str, list[object]]]], wanted: str | None) -> str:
    """The series that is wanted, else the one with the lowest number; "" when there is none."""

    def value(row: Mapping[str, Mapping[str, list[object]]], tag: str) -> object:
        return next(iter(row.get(tag, {}).get("Value", ())), None)

    uids = [str(value(row, "0020000E")) for row in rows]
    if wanted in uids:
        return wanted
    numbers = [value(row, "00200011") for row in rows]
    order = [float(each) if isinstance(each, int | float) else 1e9 for each in numbers]
    return min(zip(order, range(len(uids)), uids, strict=True))[2] if uids else ""


def _first(archive: Archive, study: str, series: str) -> tuple[Instance, int] | None:
    """The image that a reader is shown first, and its frame, from 0: of a block of slices the
    middle one, of anything else the first. None when the series has no frames."""
    instances = retrieve.instances(archive, Scope(study, series))
    with_frames = [each for each in instances if each.frames.count]
    if not with_frames:
        return None
    if with_frames[0].frames.count == 1:
        middle = len(with_frames) // 2 if len(with_frames) > 3 else 0
        return with_frames[middle], 0
    instance = with_frames[0]
    scope = Scope(study, series, instance.instance_uid)
    # Frames with positions of their own are slices; without, they are a film.
    slices = _PER_FRAME in retrieve.instance_metadata(archive, scope)[0]
    count = instance.frames.count
    return instance, count // 2 if slices and count > 3 else 0


def _changes_of(service: Service, key: SeriesKey) -> bytes:
    """The metadata of a series; nothing when they are more than is made at once."""
    one = retrieve.metadata(service.archive, Scope(key.study_uid, key.series_uid))[0]
    if sum(one.lengths) > metadata.WHOLE_BYTES:
        return b""
    name = f"{key} {one.version} changes"
    if (found := service.encoded.get(name)) is not None:
        return found
    made = changes(retrieve.objects(one, retrieve.unpack_metadata(one)))
    service.encoded.put(name, made, weight=len(made))
    return made


def changes(objects: Iterable[bytes]) -> bytes:
    """Data sets as JSON: of each what is other than in the one before, null for what it lacks."""
    before: dict[str, object] = {}
    made: list[bytes] = []
    # One at a time: parsed together they would be hundreds of thousands of objects.
    for each in map(orjson.loads, objects):
        change = {tag: element for tag, element in each.items() if before.get(tag) != element}
        made.append(orjson.dumps(change | dict.fromkeys(before.keys() - each.keys())))
        before = each
    return b"[" + b",".join(made) + b"]"


async def _body(
    handler: Handler,
    service: Service,
    request: Request,
    parameters: Mapping[str, str],
    include: Sequence[str] = (),
) -> bytes:
    """What the handler answers with; nothing when that is more than is made at once."""
    inner = _inner(request, [("includefield", each) for each in include], accept=DICOM_JSON)
    inner.parameters = parameters
    body = (await handler(service, inner)).body
    if isinstance(body, tuple):
        return b"".join(body)
    await close(body)
    return b""


def _inner(request: Request, query: Sequence[tuple[str, str]], *, accept: str) -> Request:
    """The request as one for another resource, whole and not compressed."""
    kept = [each for each in request.scope["headers"] if each[0] not in _NEGOTIATED]
    scope = {
        **request.scope,
        "query_string": urlencode(query).encode("ascii"),
        "headers": [*kept, header("accept", accept)],
    }
    return request.like(scope)


def _pieces(boundary: str, parts: Sequence[tuple[str, str, Buffer]]) -> Iterator[Buffer]:
    for number, (content_type, location, payload) in enumerate(parts):
        yield multipart.part_head(boundary, content_type, location=location, first=number == 0)
        yield payload
    yield multipart.tail(boundary)
