"""QIDO-RS: the six search resources (PS3.18 §10.6, §8.3.4).

Table 10.6.1-1: studies, series and instances of the whole archive, of a study, of a series. What
the parameters mean is `dicom.matching`'s; what a row holds `archive.search`'s. URLs are made here,
since only here is it known how the client reaches the server.

§10.6.3.1 and Table 10.6.3-1: 200 with matches, 204 without. There is no limit but that asked for:
what is more than a page is streamed, page after page, from where the page before ended.

Headers say what else there is: X-Total-Count when the number is known or was asked for by
`count=true`; behind a limit, Warning 299 (§8.3.4.4) and Link with rel="next", whose cursor goes on
where the answer ended, whatever has been stored meanwhile.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import orjson

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.asked import asked_for
from dicomweb_server.archive.search import Answer, search
from dicomweb_server.dicom.matching import ParsedQuery, parse_query
from dicomweb_server.web import datasets, multipart
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.offers import DATA_SETS, DICOM_XML, selected
from dicomweb_server.web.remembered import Found
from dicomweb_server.web.service import Handler, Service, StudiesShown, instance_url
from storage.model import QueryLevel

PAGE = 500
"""Matches that are held in memory at once."""

ROW_BYTES = 800
"""About what a study's row weighs without its document."""

COUNTED_STUDIES = 1000
"""In an archive of so many studies, matches behind a limit are counted unasked: 1 ms at most."""

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
            attributes=service.archive.attributes,
        )
        root = service.root(request)
        moment = service.archive.storage.index.moment()
        known = None if representation.media_type == DICOM_XML else service.studies
        pages = _Pages(service.archive, parsed, root=root, known=known)
        boundary = multipart.new_boundary() if representation.multipart else ""
        pieces = datasets.encoded(pages, representation, boundary)
        if level is QueryLevel.INSTANCE or not service.archive.notes_at_once:
            begun = await service.workers.run(_begun, pages, pieces)
        else:
            kind = (representation, level, *_kind(request))
            begun = await service.workers.run_brief(kind, _begun, pages, pieces)
        headers = [
            header("warning", f"299 {root}: The {name} parameter is not supported.")
            for name in parsed.ignored
            if name.isprintable() and name.isascii()
        ]
        if pages.truncated and pages.behind is not None:
            headers += _further(request, pages, root, pages.behind)
        if pages.total is not None:
            headers.append(header("x-total-count", str(pages.total)))
        # The audit is told of a search, not of its further pages.
        again = Found(moment, asked_for(parsed.query)) if parsed.query.after is None else None
        if not begun:
            return Reply(204, headers, basis=again)
        headers.append(header("content-type", datasets.content_type(representation, boundary)))
        if pages.more:
            return Reply(200, headers, service.workers.stream(chain(begun, pieces)))
        return Reply(200, headers, begun, basis=again)

    return found


def _kind(request: Request) -> Iterator[Hashable]:
    """What searches have in common that take about as long as one another: where is searched, by
    which attributes, whether for a pattern, and how much is wanted."""
    yield from request.parameters
    for name, value in request.query:
        yield name
        yield value if name in ("limit", "offset") else "*" in value or "?" in value


def _further(
    request: Request, pages: "_Pages", root: str, behind: str
) -> Iterator[tuple[bytes, bytes]]:
    """That there are matches behind the limit, and where."""
    number = "" if pages.remaining is None else f"{pages.remaining} "
    # §8.3.4.4: the words are the standard's.
    text = f"There are {number}additional results that can be requested"
    yield header("warning", f"299 {root}: {text}")
    asked = [each for each in request.query if each[0] not in ("cursor", "offset")]
    said: bytes = request.scope["query_string"]
    if len(asked) == len(request.query) and _QUERY.fullmatch(said):
        # As it was asked: to write it anew is a tenth of what a search costs.
        following = f"{said.decode('ascii')}&{urlencode([('cursor', behind)])}"
    else:
        following = urlencode([*asked, ("cursor", behind)])
    # A reference without a path is of the same resource (RFC 3986 §5.2.2), whatever prefix a proxy
    # has put before it.
    yield header("link", f'<?{following}>; rel="next"')


_QUERY = re.compile(rb"[A-Za-z0-9\-._~!$'()*+,;=:@/?%&]+")
"""The characters of a query (RFC 3986 §3.4): no other may stand between < and > (RFC 8288 §3)."""


class _Pages:
    """The items that match, page by page, with their URLs.

    more       whether another page follows the one that was given last
    total      of all pages, when it is known
    truncated  whether the limit may have left matches out
    behind     the cursor there, when `look_behind` has been called
    """

    def __init__(
        self,
        archive: Archive,
        parsed: ParsedQuery,
        *,
        root: str,
        known: StudiesShown | None,
    ) -> None:
        """`known` has studies as JSON, by everything they are made of; None when it is not JSON
        that is wanted."""
        self._known = known
        self.more = True
        self.total: int | None = None
        self.truncated = False
        self.behind: str | None = None
        self._archive = archive
        self._parsed = parsed
        self._root = root

    def __iter__(self) -> Iterator[list[Any]]:
        asked, page = self._parsed.query, self._parsed
        left, first = asked.limit, True
        while self.more and left != 0:
            limit = PAGE if left is None else min(PAGE, left)
            if limit != page.query.limit:
                page = replace(page, query=replace(page.query, limit=limit))
            answer = search(self._archive, page)
            left = None if left is None else left - len(answer.rows)
            self.more = answer.more and left != 0
            if first:
                self.total = answer.total
                self.truncated = answer.more and asked.limit is not None
                first = False
            self.behind = answer.next
            if self.more:
                page = replace(page, query=replace(page.query, after=answer.next, offset=0))
            if self._known is None or asked.level is not QueryLevel.STUDY:
                yield [_located(answer.item(row), asked.level, self._root) for row in answer.rows]
            else:
                yield self._written(answer, self._known)

    def _written(self, answer: Answer, known: StudiesShown) -> list[orjson.Fragment]:
        """The items of studies with their URLs. Making one costs ten times what finding out costs
        whether that has been done before: worklists show the same studies over and over, and the
        index has the same row as long as a study is what it was."""
        include, root = self._parsed.include, self._root
        keys = [(id(row.study), include, root) for row in answer.rows]
        items: list[orjson.Fragment] = []
        for row, key, held in zip(answer.rows, keys, known.get_all(keys), strict=True):
            if held is None:
                text = orjson.dumps(_located(answer.item(row), QueryLevel.STUDY, root))
                held = row.study, orjson.Fragment(text)
                known.put(key, held, weight=len(text) + len(row.study.document) + ROW_BYTES)
            items.append(held[1])
        return items

    @property
    def remaining(self) -> int | None:
        """How many matches the limit leaves out, when that is known."""
        query = self._parsed.query
        if self.total is None or query.limit is None or query.after is not None:
            return None
        return max(0, self.total - query.offset - query.limit)

    def look_behind(self) -> None:
        """Finds out what the limit leaves out: `behind`, the cursor there, None when it leaves out
        nothing, and the total if it does. Called when the first page has been made."""
        query = self._parsed.query
        index = self._archive.storage.index
        assert query.limit is not None
        if self.more:
            # The limit ends some pages further on: the last row before it is looked up alone.
            last = replace(query, offset=query.offset + query.limit - 1, limit=1, count=False)
            self.behind = index.find(last).next
        # §8.3.4.4 wants to know how many remain; below a study that is not known as cheaply.
        countable = query.level is QueryLevel.STUDY or query.study_uid is not None
        unknown = self.behind is not None and self.total is None and query.after is None
        if unknown and countable and index.counts().studies <= COUNTED_STUDIES:
            self.total = index.find(replace(query, offset=0, limit=0, count=True)).total


def _begun(pages: _Pages, pieces: Iterator[bytes]) -> tuple[bytes, ...]:
    """The whole body when it is one page, else the piece it begins with; what is behind the limit
    is known then, without another hop to a thread."""
    first = next(pieces, b"")
    if pages.truncated:
        pages.look_behind()
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
