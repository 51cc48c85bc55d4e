"""WADO-RS metadata of a study, a series or an instance (PS3.18 §10.4.1.1.2).

The JSON is sent as it was made when the instances were stored; only `"BulkDataURI":"bulkdata/...`,
relative in what is stored, is made absolute with the root the client used. In JSON a quotation mark
within a text is escaped, so these bytes mean the key wherever they are found.

The ETag is made of the versions of the series, which cost no reading: 304 before anything is read.
Encoded bodies are remembered by it: a series that is opened often is encoded once.
"""

from collections.abc import Iterator

import orjson

from dicomweb_server.archive import retrieve
from dicomweb_server.web import datasets, encodings, etags
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.offers import DATA_SETS, DICOM_XML, selected
from dicomweb_server.web.remembered import Basis
from dicomweb_server.web.service import Service, instance_url
from storage.model import Scope, SeriesMetadata

WHOLE_BYTES = 16 * 2**20
"""Metadata up to this size is made at once and has a Content-Length; more is a stream."""


def scope_of(request: Request) -> Scope:
    """The study, series or instance that the path names."""
    named = request.parameters
    return Scope(named["study"], named.get("series"), named.get("instance"))


async def metadata(service: Service, request: Request) -> Reply:
    """Handler of GET .../metadata on the three levels."""
    representation = selected(request, DATA_SETS)
    scope = scope_of(request)
    root = service.root(request)
    versions = await service.workers.run(retrieve.versions, service.archive, scope)
    coding = encodings.accepted(request)
    facts = (scope, versions, root, representation.media_type)
    tag = etags.etag(*facts, coding) if coding else etags.etag(*facts)
    basis = Basis(scope, tuple(versions))
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply.resting_on(basis)
    boundary = etags.fingerprint(*facts)
    headers = [
        header("content-type", datasets.content_type(representation, boundary)),
        header("etag", tag),
    ]
    if coding:
        headers.append(header("content-encoding", coding))
        if (body := service.encoded.get(tag)) is not None:
            return Reply(200, headers, (body,), basis=basis)
    series: list[SeriesMetadata] = []
    if scope.instance_uid is not None:
        found, _ = await service.workers.run(retrieve.instance_metadata, service.archive, scope)
        arrays = iter((b"[" + _located(found, instance_url_of(root, scope)) + b"]",))
    else:
        series = await service.workers.run(retrieve.metadata, service.archive, scope)
        arrays = _arrays(series, root)
    if representation.media_type == DICOM_XML:
        pieces = datasets.encoded(map(orjson.loads, arrays), representation, boundary)
    else:
        pieces = _joined(arrays)
    if sum(sum(one.lengths) for one in series) > WHOLE_BYTES:
        stream = service.workers.stream(pieces)
        if coding:
            stream = encodings.stream_encoded(coding, stream, service.workers)
        return Reply(200, headers, stream)
    if coding:
        body = await service.workers.run(encodings.encode, coding, pieces)
        service.encoded.put(tag, body, weight=len(body))
        return Reply(200, headers, (body,), basis=basis)
    return Reply(200, headers, tuple(await service.workers.run(list, pieces)), basis=basis)


def instance_url_of(root: str, scope: Scope) -> str:
    assert scope.series_uid is not None and scope.instance_uid is not None
    return instance_url(root, scope.study_uid, scope.series_uid, scope.instance_uid)


_RELATIVE = b'"BulkDataURI":"bulkdata/'


def _located(instance: bytes, url: str) -> bytes:
    """The JSON of an instance with its bulk data at absolute URLs."""
    return instance.replace(_RELATIVE, b'"BulkDataURI":"' + url.encode("ascii") + b"/bulkdata/")


def _arrays(series: list[SeriesMetadata], root: str) -> Iterator[bytes]:
    """A JSON array of the instances of each series."""
    for one in series:
        array = retrieve.unpack_metadata(one)
        if _RELATIVE not in array:
            yield array
            continue
        located = [
            _located(each, instance_url(root, one.key.study_uid, one.key.series_uid, uid))
            for uid, each in zip(one.instance_uids, retrieve.objects(one, array), strict=True)
        ]
        yield b"[" + b",".join(located) + b"]"


def _joined(arrays: Iterator[bytes]) -> Iterator[bytes]:
    """One JSON array of what is in all of them."""
    lead = b"["
    for array in arrays:
        if len(array) > 2:
            yield lead
            yield array[1:-1]
            lead = b","
    yield b"[]" if lead == b"[" else b"]"
