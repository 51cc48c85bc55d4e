"""STOW-RS of metadata and bulk data (PS3.18 §10.5.1.4): data sets in JSON or XML, values beside
them.

The bulk data of one request goes to one spool, whatever number of parts it comes in, and so does
the metadata, within a limit. When the body has ended each data set is put together with the
values that its BulkDataURIs name (`dicom.assemble`), without copying them, and is then stored as
any other part. What cannot be put together fails alone.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urljoin

import orjson

from dicomweb_server.archive.store import Outcome, Refusal, refused
from dicomweb_server.dicom.assemble import BulkPart, assemble
from dicomweb_server.dicom.errors import DicomError, Malformed, TooLarge
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.source import Part, Source
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.dicom.written import first
from dicomweb_server.dicom.xml_reading import from_xml
from dicomweb_server.web.http import Request
from dicomweb_server.web.multipart import MultipartError, Parser, PartBegin, PartData, PartEnd
from dicomweb_server.web.negotiate import BadMediaType, parse_media_type
from dicomweb_server.web.offers import DICOM_JSON, DICOM_XML
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service

METADATA_BYTES = 32 * 2**20
"""Metadata of one request, all data sets together."""

PART_LIMIT = 100_000
UNLIMITED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Made:
    """An instance put together, or why it was not. `coerced` says what was put right in it."""

    source: Source | None
    refused: Outcome | None = None
    coerced: str = ""


class BulkData:
    """The values of one request, kept until everything that is made of them is `released`."""

    def __init__(self, service: Service) -> None:
        self._receiver = service.receiver(limit_bytes=UNLIMITED)
        self._holders = 1

    @property
    def received(self) -> int:
        """Bytes."""
        return self._receiver.length

    async def write(self, piece: memoryview) -> None:
        """Raises OutOfSpace."""
        await self._receiver.write(piece)

    async def finish(self) -> Source:
        await self._receiver.complete()
        return self._receiver.finish()

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self._receiver.discard()


class _Body:
    """What the parts of a body come to, one after the other."""

    def __init__(self, service: Service, bulk: BulkData, *, inner: str, base: str) -> None:
        self._limit = service.config.max_part_bytes
        self._bulk = bulk
        self._inner = inner
        self._base = base
        self._metadata = service.receiver(limit_bytes=METADATA_BYTES)
        self._is_text = False
        self._begun = 0
        self._headers: Mapping[str, str] = {}
        self.texts: list[tuple[int, int]] = []
        self.values: list[tuple[str, str, str, int, int]] = []
        self.failures: list[Outcome] = []

    def begin(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        essence, _ = self._media_type()
        self._is_text = essence == self._inner
        self._begun = self._metadata.length if self._is_text else self._bulk.received

    async def write(self, piece: memoryview) -> None:
        if not self._is_text:
            await self._bulk.write(piece)
            if self._bulk.received - self._begun > self._limit:
                raise TooLarge(
                    "a part",
                    "bytes or more",
                    found=self._bulk.received - self._begun,
                    limit=self._limit,
                )
            return
        found = self._metadata.length + len(piece)
        if found > METADATA_BYTES:
            raise TooLarge("metadata", "bytes or more", found=found, limit=METADATA_BYTES)
        await self._metadata.write(piece)

    def end(self) -> None:
        if self._is_text:
            self.texts.append((self._begun, self._metadata.length - self._begun))
            return
        location = self._headers.get("content-location")
        essence, syntax = self._media_type()
        if location is None:
            comment = f"a part of {essence} has no Content-Location, so no data set can name it"
            self.failures.append(Outcome(refusal=Refusal.MALFORMED, comment=comment))
            return
        uri = urljoin(self._base, location.strip())
        self.values.append((uri, essence, syntax, self._begun, self._bulk.received))

    def _media_type(self) -> tuple[str, str]:
        text = self._headers.get("content-type", "application/octet-stream")
        try:
            media_type = parse_media_type(text)
        except BadMediaType:
            return text[:80], ""
        return media_type.essence, media_type.parameters.get("transfer-syntax", "")

    async def metadata(self) -> Source:
        """What `texts` are of: where each begins, and its bytes."""
        await self._metadata.complete()
        return self._metadata.finish()

    def discard(self) -> None:
        self._metadata.discard()

    def bulk(self, source: Source) -> dict[str, list[BulkPart]]:
        """The values by the URI that names them; several of one URI are frames in their order."""
        found: dict[str, list[BulkPart]] = {}
        for uri, essence, syntax, start, end in self.values:
            part = BulkPart(essence, syntax, Part(source, start, end - start))
            found.setdefault(uri, []).append(part)
        return found


async def made_of_metadata(
    service: Service, request: Request, *, boundary: str, inner: str, bulk: BulkData
) -> AsyncGenerator[Made, None]:
    """The instances of a body, in the order of their data sets. Raises MultipartError when the
    body breaks off: then nothing is stored, since nobody knows which values are missing."""
    base = service.root(request) + "/studies"
    body = _Body(service, bulk, inner=inner, base=base)
    try:
        await _received(request, Parser(boundary), body)
        if not body.texts:
            raise Problem(400, f"the body has no part of {inner}", field="body")
        metadata, values = await body.metadata(), body.bulk(await bulk.finish())
        for begin, length in body.texts:
            read = partial(metadata.read_at, begin, length)
            for made in await service.workers.run(_made, read, inner, values, base):
                yield made
    finally:
        body.discard()
    for failure in body.failures:
        yield Made(None, failure)


async def _received(request: Request, parser: Parser, body: _Body) -> None:
    async for chunk in request.chunks():
        for event in parser.feed(chunk):
            match event:
                case PartBegin(number, headers):
                    if number > PART_LIMIT:
                        raise MultipartError(number, f"is more than {PART_LIMIT} parts")
                    body.begin(headers)
                case PartData(piece):
                    await body.write(piece)
                case PartEnd():
                    body.end()
    parser.close()


def _made(
    read: Callable[[], bytes], inner: str, values: Mapping[str, list[BulkPart]], base: str
) -> list[Made]:
    try:
        documents = list(_documents(read(), inner))
    except DicomError as error:
        return [Made(None, refused(error))]
    return [_assembled(document, values, base) for document in documents]


def _documents(text: bytes, inner: str) -> Iterator[Json]:
    if inner == DICOM_XML:
        yield from_xml(text)
        return
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed("JSON", f"cannot be read: {error}") from None
    for document in found if isinstance(found, list) else [found]:
        if not isinstance(document, dict):
            raise Malformed("JSON", "has an entry that is no object")
        yield document


def _assembled(document: Json, values: Mapping[str, list[BulkPart]], base: str) -> Made:
    try:
        made = assemble(_resolved(document, base), values)
    except Exception as error:
        why = replace(
            refused(error),
            study_uid=_uid(document, "0020000D"),
            series_uid=_uid(document, "0020000E"),
            sop_class_uid=_uid(document, "00080016"),
            instance_uid=_uid(document, "00080018"),
        )
        return Made(None, why)
    coerced = ""
    if made.coerced:
        coerced = f"{', '.join(made.coerced)} corrected to what the codestream says"
    return Made(made.source, coerced=coerced)


def _uid(document: Json, key: str) -> str | None:
    uid = first(document, key)
    return uid if isinstance(uid, str) and is_uid(uid) else None


def _resolved(document: Json, base: str) -> Json:
    """The data set with every BulkDataURI absolute, as the locations of the parts are."""
    found: Json = {}
    for key, element in document.items():
        if isinstance(element, dict) and "BulkDataURI" in element:
            element = {**element, "BulkDataURI": urljoin(base, str(element["BulkDataURI"]))}
        elif isinstance(element, dict) and element.get("vr") == "SQ":
            items = element.get("Value")
            if isinstance(items, list):
                resolved = [_resolved(i, base) if isinstance(i, dict) else i for i in items]
                element = {**element, "Value": resolved}
        found[key] = element
    return found


METADATA_TYPES = frozenset({DICOM_JSON, DICOM_XML})
