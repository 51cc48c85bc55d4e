"""QIDO-RS: the six search resources (PS3.18 §10.6, §8.3.4).

Table 10.6.1-1: studies, series and instances of the whole archive, of a study, of a series. What
the parameters mean is `dicom.matching`'s; what a row holds `archive.search`'s. URLs are made here,
since only here is it known how the client reaches the server.

§10.6.3.1 and Table 10.6.3-1: 200 with matches, 204 without.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import orjson

from dicomweb_server.archive.search import Answer, search
from dicomweb_server.dicom.matching import ParsedQuery, parse_query
from dicomweb_server.dicom.xml_model import to_xml
from dicomweb_server.web import multipart
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.offers import DATA_SETS, DICOM_XML, selected
from dicomweb_server.web.service import Handler, Service, instance_url
from storage.model import QueryLevel

# Not attributes: RFC 9110 and PS3.18 §8.3.3 give them to every resource.
_NO_ATTRIBUTES = frozenset({"accept", "charset"})


def searcher(level: QueryLevel) -> Handler:
    """The handler of a search for rows of `level`, in whatever scope the path names."""

    async def found(service: Service, request: Request) -> Reply:
        representation = selected(request, DATA_SETS)
        parameters = [each for each in request.query if each[0] not in _NO_ATTRIBUTES]
        parsed = parse_query(
            level,
            parameters,
            study_uid=request.parameters.get("study"),
            series_uid=request.parameters.get("series"),
            attributes=service.archive.attributes,
        )
        answer = await service.workers.run(search, service.archive, parsed)
        root = service.root(request)
        headers = tuple(_page_headers(request, parsed, answer, root))
        if not answer.items:
            return Reply(204, headers)
        items = [_located(item, level, root) for item in answer.items]
        reply = data_sets(items, representation)
        return Reply(200, (*reply.headers, *headers), reply.body)

    return found


def _page_headers(
    request: Request, parsed: ParsedQuery, answer: Answer, root: str
) -> Iterator[tuple[bytes, bytes]]:
    """How many there are in all, when that is known, and where those behind this page are."""
    if answer.total is not None:
        yield header("x-total-count", str(answer.total))
    if not answer.more:
        return
    more = "There are additional results that can be requested"
    if answer.total is not None and parsed.query.after is None:
        remaining = answer.total - parsed.query.offset - len(answer.items)
        more = f"There are {remaining} additional results that can be requested"
    # §8.3.4.4: the form of the warning is the standard's.
    yield header("warning", f"299 {root}: {more}")
    if answer.next is not None and answer.items:
        kept = [each for each in request.query if each[0] not in ("cursor", "offset")]
        path = request.scope.get("root_path", "") + request.path.removeprefix(
            request.scope.get("root_path", "")
        )
        query = urlencode([*kept, ("cursor", answer.next)])
        yield header("link", f'<{path}?{query}>; rel="next"')


def data_sets(items: list[dict[str, Any]], representation: Representation) -> Reply:
    """Data sets as one JSON array, or as an XML document each (§10.6.4)."""
    if representation.media_type != DICOM_XML:
        body = orjson.dumps(items)
        return Reply(200, (header("content-type", representation.media_type),), (body,))
    boundary = multipart.new_boundary()
    parts: list[bytes] = []
    for number, item in enumerate(items):
        parts += (multipart.part_head(boundary, DICOM_XML, first=number == 0), to_xml(item))
    content_type = header("content-type", multipart.related(boundary, DICOM_XML))
    return Reply(200, (content_type,), (b"".join(parts) + multipart.tail(boundary),))


def _located(item: dict[str, Any], level: QueryLevel, root: str) -> dict[str, Any]:
    """The item with its Retrieve URL (0008,1190), in its place in the order of tags."""
    study = item["0020000D"]["Value"][0]
    if level is QueryLevel.STUDY:
        url = f"{root}/studies/{study}"
    elif level is QueryLevel.SERIES:
        url = f"{root}/studies/{study}/series/{item['0020000E']['Value'][0]}"
    else:
        series, instance = item["0020000E"]["Value"][0], item["00080018"]["Value"][0]
        url = instance_url(root, study, series, instance)
    located = {**item, "00081190": {"vr": "UR", "Value": [url]}}
    return dict(sorted(located.items()))
