"""Data sets as they leave: one JSON array, or an XML document each in a multipart body (PS3.18
§10.4.4, §10.6.4). They come in pages and go out piece by piece, so that an answer of any length
takes the memory of a page."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from dicomweb_server.dicom.xml_model import to_xml
from dicomweb_server.web import multipart
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.offers import DICOM_XML

Item = dict[str, Any]
"""A DICOM JSON object."""


def encoded(
    pages: Iterable[list[Item]], representation: Representation, boundary: str
) -> Iterator[bytes]:
    """The body, a piece for each page; nothing at all when there is no data set."""
    if representation.media_type == DICOM_XML:
        return _xml(pages, boundary)
    return _json(pages)


def content_type(representation: Representation, boundary: str) -> str:
    if representation.multipart:
        return multipart.related(boundary, representation.media_type)
    return representation.media_type


def _json(pages: Iterable[list[Item]]) -> Iterator[bytes]:
    lead = b"["
    for items in pages:
        if items:
            yield lead + orjson.dumps(items)[1:-1]
            lead = b","
    if lead == b",":
        yield b"]"


def _xml(pages: Iterable[list[Item]], boundary: str) -> Iterator[bytes]:
    first = True
    for items in pages:
        parts: list[bytes] = []
        for item in items:
            parts += (multipart.part_head(boundary, DICOM_XML, first=first), to_xml(item))
            first = False
        if parts:
            yield b"".join(parts)
    if not first:
        yield multipart.tail(boundary)
