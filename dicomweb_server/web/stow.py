"""STOW-RS: POST /studies and /studies/{study} (PS3.18 §10.5).

A body is received and stored at the same time: each part goes to a spool as it comes, and is stored
when it is whole (storing.py), a lonely one at once and many with one commit. What waits is bounded
in bytes, over all uploads of the process; beyond that the body is not read on, and TCP makes the
client wait.

§10.5.3 and Table 10.5.3-1: 200 when everything was stored, 202 when some of it, 409 when nothing;
the response data set (§I.1, Table I.1-1) has an item for each part. 413, 507 and 500 take the place
of 409 when size alone, the disk alone or the server alone is why nothing was stored.

Not only multipart: a body of `application/dicom` is taken as one part, so that
`curl --data-binary @file -H 'Content-Type: application/dicom'` works.

Metadata and bulk data (multipart/related of application/dicom+json or +xml) are put together by
`stow_metadata.py` and stored as such parts are.

When the body breaks off, what had been received whole is stored and answered for, and the broken
part is an item of the Other Failures Sequence. When the client is gone there is nobody to answer:
what has not begun to be stored is dropped.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from dicomweb_server.access.caller import Act
from dicomweb_server.access.errors import Denied
from dicomweb_server.archive.spool import MEMORY_BYTES
from dicomweb_server.archive.store import Outcome, Received, Refusal, refused
from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.xml_model import to_xml
from dicomweb_server.web.http import Reply, Request, content
from dicomweb_server.web.multipart import MultipartError, Parser, PartBegin, PartData, PartEnd
from dicomweb_server.web.negotiate import BadMediaType, MediaRange, parse_media_type
from dicomweb_server.web.offers import DICOM, DICOM_XML, STORE_RESPONSES, selected
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.receiving import Receiver
from dicomweb_server.web.service import Service, instance_url
from dicomweb_server.web.storing import Entry
from dicomweb_server.web.stow_metadata import METADATA_TYPES, BulkData, made_of_metadata
from storage.errors import OutOfSpace, Unavailable

PART_LIMIT = 100_000
"""Parts of one body: each has an item in the response, which is held in memory."""

FEW_PARTS = 100
"""Of so many outcomes the answer is written in the event loop, of more in a thread: of 100,000 it
takes seconds."""

# PS3.18 Table I.2-2: "The single most appropriate code shall be used"; 0111H is "Duplicate SOP
# Instance" of PS3.7 §C.5.5. A901 is a code of our own within "Data Set does not match".
_FAILURE_REASONS = {
    Refusal.NOT_DICOM: 0xC000,
    Refusal.MALFORMED: 0xC000,
    Refusal.TOO_LARGE: 0xA700,
    Refusal.UNSUPPORTED: 0xC122,
    Refusal.UNSUPPORTED_CLASS: 0x0122,
    Refusal.WRONG_STUDY: 0xA901,
    Refusal.CONFLICT: 0x0111,
    Refusal.MISPLACED: 0x0111,
    Refusal.OUT_OF_SPACE: 0xA700,
    Refusal.DENIED: 0x0124,
    Refusal.FAILED: 0x0110,
}
_COERCED = 0xB000
"""Table I.2-1: "Coercion of Data Elements"."""

_STATUS_WHEN_ALL = {Refusal.TOO_LARGE: 413, Refusal.OUT_OF_SPACE: 507, Refusal.FAILED: 500}


async def store_instances(service: Service, request: Request) -> Reply:
    """Handler of POST /studies and /studies/{study}."""
    # Before a byte of the body is taken. A thread only for a refusal, which the audit has to have.
    may = (Act.STORE, Act.DRAFT)
    if not service.archive.permits(*may):
        await service.workers.run(service.archive.permit, *may)
    # The audit says of each request what it stored.
    caller = service.caller
    service = service.seen_by(
        replace(caller, session_id=f"{caller.session_id}/{secrets.token_hex(4)}")
    )
    try:
        return await _stored(service, request)
    finally:
        journal, session_id = service.doors.journal, service.caller.session_id
        if not journal.ended_ready(session_id):
            await service.workers.run(journal.ended, session_id)


async def _stored(service: Service, request: Request) -> Reply:
    representation = selected(request, STORE_RESPONSES)
    media_type = _body_type(request)
    study_uid = request.parameters.get("study")
    sender = str((request.scope.get("client") or ("unknown",))[0])
    upload = _Upload(service, study_uid=study_uid, sender=sender)
    broken: MultipartError | None = None
    try:
        async with aclosing(_parts(service, request, media_type)) as parts:
            async for part in parts:
                await upload.add(part)
    except MultipartError as error:
        broken = error
    except BaseException:
        await upload.abandon()
        raise
    outcomes = await upload.finish()
    if broken is not None:
        if not outcomes:
            raise broken
        outcomes.append(_outcome(Refusal.MALFORMED, str(broken)))
    if not outcomes:
        raise Problem(400, "the body has no parts, so there is nothing to store", field="body")
    if upload.unavailable is not None and all(outcome.refusal for outcome in outcomes):
        raise upload.unavailable
    if all(outcome.refusal is Refusal.DENIED for outcome in outcomes):
        raise Denied(service.caller, Act.STORE)
    root, xml = service.root(request), representation.media_type == DICOM_XML
    if len(outcomes) <= FEW_PARTS:
        body = _answer(outcomes, root, xml)
    else:
        body = await service.workers.run(_answer, outcomes, root, xml)
    return content(_status(outcomes), representation.media_type, body)


def _answer(outcomes: list[Outcome], root: str, xml: bool) -> bytes:
    response = response_data_set(outcomes, root=root)
    return to_xml(response) if xml else orjson.dumps(response)


def _body_type(request: Request) -> MediaRange:
    """The media type of the body, when it is one that can be stored."""
    text = request.header(b"content-type")
    if text is None:
        raise Problem(
            415,
            'the body has no Content-Type; multipart/related; type="application/dicom" is stored',
            field="Content-Type",
        )
    coding = request.header(b"content-encoding") or "identity"
    if coding.lower() != "identity":
        raise Problem(
            415, f"Content-Encoding {coding[:80]!r} is not taken", field="Content-Encoding"
        )
    media_type = parse_media_type(text)
    if media_type.essence == DICOM:
        return media_type
    # RFC 2387 §3.1 requires `type`; without it the parts are looked at one by one.
    inner = media_type.parameters.get("type", DICOM).lower()
    if media_type.essence != "multipart/related" or inner not in (DICOM, *METADATA_TYPES):
        shown = f'{media_type.essence}; type="{inner}"' if inner != DICOM else media_type.essence
        raise Problem(
            415,
            f"Content-Type {shown[:200]} is not stored; multipart/related of application/dicom, "
            "application/dicom+json or application/dicom+xml is, and application/dicom for one "
            "instance",
            field="Content-Type",
        )
    if not media_type.parameters.get("boundary"):
        raise Problem(400, "Content-Type names no boundary (RFC 2046 §5.1.1)", field="Content-Type")
    return media_type


def _outcome(refusal: Refusal, comment: str) -> Outcome:
    return Outcome(refusal=refusal, comment=comment)


# --- receiving ----------------------------------------------------------------------------------


class _Held(Protocol):
    """Bytes that are kept until they are discarded."""

    @property
    def length(self) -> int: ...

    def finish(self) -> Source: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _MadeOf:
    """An instance whose values lie in the bulk data of its request."""

    source: Source
    bulk: BulkData

    @property
    def length(self) -> int:
        return self.source.length

    def finish(self) -> Source:
        return self.source

    def discard(self) -> None:
        self.bulk.release()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that has been received: in its spool, or refused already.

    coerced  what was put right in it, as a sentence
    """

    spool: _Held | None
    refused: Outcome | None = None
    coerced: str = ""

    @property
    def held_bytes(self) -> int:
        """What it takes of memory, if it has not gone to a file sooner than such parts do."""
        if self.spool is None or self.spool.length > MEMORY_BYTES:
            return 0
        return self.spool.length


async def _parts(
    service: Service, request: Request, media_type: MediaRange
) -> AsyncGenerator[_Part, None]:
    """The parts of the body. Raises MultipartError after the last whole part."""
    if media_type.essence == DICOM:
        receiving = _Receiving(service, "")
        try:
            async for chunk in request.chunks():
                await receiving.write(chunk)
            if receiving.received:
                yield await receiving.finish()
        finally:
            receiving.discard()
        return
    boundary, inner = media_type.parameters["boundary"], media_type.parameters.get("type", DICOM)
    if inner.lower() in METADATA_TYPES:
        bulk = BulkData(service)
        try:
            made_parts = made_of_metadata(
                service, request, boundary=boundary, inner=inner.lower(), bulk=bulk
            )
            async with aclosing(made_parts):
                async for made in made_parts:
                    if made.source is None:
                        yield _Part(None, made.refused)
                        continue
                    bulk.hold()
                    yield _Part(_MadeOf(made.source, bulk), coerced=made.coerced)
        finally:
            bulk.release()
        return
    parser = Parser(boundary)
    part: _Receiving | None = None
    try:
        async for chunk in request.chunks():
            for event in parser.feed(chunk):
                match event:
                    case PartData(piece):
                        assert part is not None
                        await part.write(piece)
                    case PartBegin(number, headers):
                        if number > PART_LIMIT:
                            raise MultipartError(number, f"is more than {PART_LIMIT} parts")
                        part = _Receiving(service, _why_not_dicom(headers.get("content-type")))
                    case PartEnd():
                        assert part is not None
                        finished, part = part, None
                        yield await finished.finish()
        parser.close()
    finally:
        if part is not None:
            part.discard()


def _why_not_dicom(content_type: str | None) -> str:
    """Why a part of this Content-Type is not stored, empty when it is."""
    if content_type is None:
        return ""
    try:
        essence = parse_media_type(content_type).essence
    except BadMediaType as error:
        return str(error)
    if essence in (DICOM, "application/octet-stream"):
        return ""
    return f"the part's Content-Type is {essence}, application/dicom is stored"


class _Receiving:
    """One part while it comes in. A refused part is read to its end and not kept."""

    def __init__(self, service: Service, refusal: str) -> None:
        self._refused = _outcome(Refusal.NOT_DICOM, refusal) if refusal else None
        self._receiver: Receiver | None = service.receiver(
            limit_bytes=service.config.max_part_bytes
        )
        self.received = 0

    async def write(self, piece: memoryview | bytes) -> None:
        self.received += len(piece)
        if self._refused is None:
            assert self._receiver is not None
            await self._unless_refused(self._receiver.write(piece))

    async def _unless_refused(self, receiving: Coroutine[object, object, None]) -> None:
        try:
            await receiving
        except (TooLarge, OutOfSpace) as error:
            self._refused = refused(error)
            self.discard()

    async def finish(self) -> _Part:
        if self._receiver is not None:
            await self._unless_refused(self._receiver.complete())
        if self._refused is not None:
            self.discard()
            return _Part(None, self._refused)
        receiver, self._receiver = self._receiver, None
        return _Part(receiver)

    def discard(self) -> None:
        if self._receiver is not None:
            self._receiver.discard()
            self._receiver = None


# --- storing ------------------------------------------------------------------------------------


class _Upload:
    """The parts of one upload, and what becomes of them."""

    def __init__(self, service: Service, *, study_uid: str | None, sender: str) -> None:
        self._service = service
        self._study_uid = study_uid
        self._sender = sender
        self._parts: list[Outcome | asyncio.Future[Outcome]] = []
        # Those alone that may be taken back; of the others the outcomes are enough.
        self._unfinished: set[Entry] = set()
        self._coerced: dict[int, str] = {}
        self.unavailable: Unavailable | None = None

    async def add(self, part: _Part) -> None:
        """Waits while too much is held already."""
        if part.coerced:
            self._coerced[len(self._parts)] = part.coerced
        if part.refused is not None:
            self._parts.append(part.refused)
            return
        spool = part.spool
        assert spool is not None, "a part is refused or received"
        budget, held = self._service.upload_bytes, part.held_bytes
        try:
            await budget.take(held)
        except BaseException:
            spool.discard()
            raise

        async def release() -> None:
            self._unfinished.discard(entry)
            spool.discard()
            await budget.give_back(held)

        received = Received(spool.finish(), self._sender, self._study_uid)
        entry = Entry(self._service.archive, received, upload=self, release=release)
        self._parts.append(entry.outcome)
        self._unfinished.add(entry)
        self._service.storing.put(entry)

    async def finish(self) -> list[Outcome]:
        """The outcomes, in the order of the parts."""
        return [await self._outcome(number) for number in range(len(self._parts))]

    async def _outcome(self, number: int) -> Outcome:
        part = self._parts[number]
        if isinstance(part, Outcome):
            return part
        try:
            outcome = await part
        except Unavailable as error:
            self.unavailable = error
            return _outcome(Refusal.FAILED, str(error))
        if number in self._coerced and outcome.refusal is None:
            sentences = filter(None, (self._coerced[number], outcome.comment))
            outcome = replace(outcome, coerced=True, comment="; ".join(sentences))
        return outcome

    async def abandon(self) -> None:
        """Gives everything back that waits, and lets what is being stored finish."""
        for entry in list(self._unfinished):
            await self._service.storing.take_back(entry)


# --- answering ----------------------------------------------------------------------------------

PRIVATE_CREATOR = "DICOMWEB-SERVER"
"""Reserves (0009,10xx) in the items of the response: (0009,1001) UT says in a sentence what became
of the instance. The standard has no attribute for it: Error Comment (0000,0902) belongs to group
0000, which no data set may hold (PS3.5 §7.1), and ends at 64 characters."""


def response_data_set(outcomes: list[Outcome], *, root: str) -> dict[str, Any]:
    """Table I.1-1, as DICOM JSON."""
    stored: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    studies: set[str] = set()
    for outcome in outcomes:
        item: dict[str, Any] = {}
        if outcome.sop_class_uid:
            item["00081150"] = {"vr": "UI", "Value": [outcome.sop_class_uid]}
        if outcome.instance_uid:
            item["00081155"] = {"vr": "UI", "Value": [outcome.instance_uid]}
        if outcome.refusal is None:
            assert outcome.study_uid and outcome.series_uid and outcome.instance_uid
            studies.add(outcome.study_uid)
            url = instance_url(root, outcome.study_uid, outcome.series_uid, outcome.instance_uid)
            item["00081190"] = {"vr": "UR", "Value": [url]}
            if outcome.coerced:
                item["00081196"] = {"vr": "US", "Value": [_COERCED]}
            stored.append(item)
        else:
            reason = _FAILURE_REASONS[outcome.refusal]
            item["00081197"] = {"vr": "US", "Value": [reason]}
            # "Other Failures Sequence (0008,119A): instances ... that cannot be identified".
            (failed if outcome.sop_class_uid and outcome.instance_uid else others).append(item)
        if outcome.comment:
            item["00090010"] = {"vr": "LO", "Value": [PRIVATE_CREATOR]}
            item["00091001"] = {"vr": "UT", "Value": [outcome.comment]}
    response: dict[str, Any] = {}
    if len(studies) == 1:
        response["00081190"] = {"vr": "UR", "Value": [f"{root}/studies/{studies.pop()}"]}
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", others)):
        if items:
            response[tag] = {"vr": "SQ", "Value": [dict(sorted(item.items())) for item in items]}
    return response


def _status(outcomes: list[Outcome]) -> int:
    refusals = {outcome.refusal for outcome in outcomes}
    if refusals == {None}:
        return 202 if any(outcome.coerced for outcome in outcomes) else 200
    if None in refusals:
        return 202
    if len(refusals) == 1:
        return _STATUS_WHEN_ALL.get(next(iter(refusals)) or Refusal.FAILED, 409)
    return 409
