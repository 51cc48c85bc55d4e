"""QIDO-RS: the six search resources (PS3.18 §10.6, §8.3.4).

Table 10.6.1-1: studies, series and instances of the whole archive, of a study, of a series. What
the parameters mean is `dicom.matching`'s; what a row holds `archive.search`'s. URLs are made here,
since only here is it known how the client reaches the server.

§10.6.3.1 and Table 10.6.3-1: 200 with matches, 204 without. There is no limit but that asked for:
what is more than a page is streamed, page after page, from where the page before ended.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.search import search
from dicomweb_server.dicom.matching import ParsedQuery, parse_query
from dicomweb_server.web import datasets, multipart
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.offers import DATA_SETS, selected
from dicomweb_server.web.service import Handler, Service, instance_url
from storage.model import QueryLevel

PAGE = 500
"""Matches that are held in memory at once."""

# Not attributes: RFC 9110 and PS3.18 §8.3.3 give them to every resource.
_NO_ATTRIBUTES = frozenset({"accept", "charset"})


def searcher(level: QueryLevel) -> Handler:
    """The handler of a search for rows of `level`, in whatever scope the path names."""

    async def found(service: Service, request: Request) -> Reply:
        representation = selected(request, DATA_SETS)
        parsed = parse_query(
            level,
            [each for each in request.query if each[0] not in _NO_ATTRIBUTES],
            study_uid=request.parameters.get("study"),
            series_uid=request.parameters.get("series"),
        )
        pages = _Pages(service.archive, parsed, root=service.root(request))
        boundary = multipart.new_boundary()
        pieces = datasets.encoded(pages, representation, boundary)
        begun = await service.workers.run(_begun, pages, pieces)
        if not begun:
            return Reply(204)
        headers = [header("content-type", datasets.content_type(representation, boundary))]
        if pages.total is not None:
            headers.append(header("x-total-count", str(pages.total)))
        if pages.more:
            return Reply(200, headers, service.workers.stream(chain(begun, pieces)))
        return Reply(200, headers, begun)

    return found


class _Pages:
    """The items that match, page by page, with their URLs.

    more   whether another page follows the one that was given last
    total  of all pages, when it is known
    """

    def __init__(self, archive: Archive, parsed: ParsedQuery, *, root: str) -> None:
        self.more = True
        self.total: int | None = None
        self._archive = archive
        self._parsed = parsed
        self._root = root

    def __iter__(self) -> Iterator[list[datasets.Item]]:
        query = self._parsed.query
        left = query.limit
        while self.more and left != 0:
            limit = PAGE if left is None else min(PAGE, left)
            page = replace(self._parsed, query=replace(query, limit=limit))
            answer = search(self._archive, page)
            left = None if left is None else left - len(answer.items)
            self.more = answer.more and left != 0
            self.total = answer.total
            query = replace(query, after=answer.next)
            yield [_located(item, query.level, self._root) for item in answer.items]


def _begun(pages: _Pages, pieces: Iterator[bytes]) -> tuple[bytes, ...]:
    """The whole body when it is one page, else the piece it begins with."""
    first = next(pieces, b"")
    if not first or pages.more:
        return (first,) if first else ()
    return (first, *pieces)


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
