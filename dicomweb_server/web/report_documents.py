"""/api/v1/reports/{report}/versions/{version}/pdf and /sr, /reports/{report}/pdf, /verify/{code},
/deliveries: the documents of issued reports, and what of them has not left yet.

What is answered is what was stored when it was issued, compared with its SHA-256; a version's
documents never change, so they may be kept for ever.
"""

import time
from collections import OrderedDict
from typing import Any

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act
from dicomweb_server.reading import emitted
from dicomweb_server.reading.document_uids import PDF, SR
from dicomweb_server.web.http import Reply, Request, header
from dicomweb_server.web.orders import moment, reply
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service, reading_of

_TYPES = {PDF: "application/pdf", SR: "application/dicom"}
_FOR_EVER = header("cache-control", "private, max-age=31536000, immutable")
_NOT_KEPT = header("cache-control", "no-store")


async def version_pdf(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/versions/{version}/pdf."""
    return await _document(service, request, PDF, _version_of(request))


async def version_sr(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/versions/{version}/sr."""
    return await _document(service, request, SR, _version_of(request))


async def current_pdf(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/reports/{report}/pdf: always that of the current version."""
    return await _document(service, request, PDF, None)


async def _document(service: Service, request: Request, kind: str, version: int | None) -> Reply:
    report_id = request.parameters["report"]
    return await service.workers.run(_read, service, request, report_id, kind, version)


def _read(
    service: Service, request: Request, report_id: str, kind: str, version: int | None
) -> Reply:
    request.caller.permit(Act.READ_REPORTS)
    with service.records.read() as session:
        emitted.permit_recalled(reading_of(service, request), session, report_id)
        document = emitted.document(session, report_id, kind, version)
        if version is None and emitted.is_recalled(session, report_id):
            none = f"report {report_id} was recalled: no version of it is current"
            raise Problem(410, none, name="recalled")
    if not document.instance_uid:
        raise Problem(
            409,
            f"version {document.version} of report {report_id} is being made",
            name="not-ready",
            field="version",
            headers=(header("retry-after", "1"),),
        )
    body = emitted.bytes_of(service.archive, document)
    detail = {"version": document.version, "kind": kind}
    with service.records.write() as session:
        record(session, request.caller, Event("report.document", report_id, detail=detail))
    name = f"report-{report_id}-v{document.version}.{'pdf' if kind == PDF else 'dcm'}"
    headers = [
        header("content-type", _TYPES[kind]),
        header("etag", f'"{document.sha256[:32]}"'),
        header("content-disposition", f'inline; filename="{name}"'),
        header("x-content-type-options", "nosniff"),
        _NOT_KEPT if version is None else _FOR_EVER,
    ]
    if version is not None and document.successor:
        successor = f"/api/v1/reports/{report_id}/versions/{document.successor}"
        # RFC 5829 §3.3.
        headers.append(header("link", f'<{successor}/{kind}>; rel="successor-version"'))
    return Reply(200, headers, (body,))


def _version_of(request: Request) -> int:
    text = request.parameters["version"]
    if not text.isdecimal() or not text.isascii() or len(text) > 6:
        raise Problem(404, f"there is no version {text[:40]}", name="not-found", field="version")
    return int(text)


# --- who has a copy and wants to know


class Attempts:
    """Of each address so many in a minute: codes are not to be guessed. Bounded."""

    LIMIT = 30
    ADDRESSES = 10_000

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Counts one; seconds to wait when there were too many, else 0."""
        now = time.monotonic()
        since, count = self._seen.pop(address, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        self._seen[address] = (since, count + 1)
        while len(self._seen) > self.ADDRESSES:
            self._seen.popitem(last=False)
        return int(61 - (now - since)) if count >= self.LIMIT else 0


_attempts = Attempts()


async def verify(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/verify/{code}, for anybody: no more than who holds the paper knows."""
    if wait_s := _attempts.wait_s(request.caller.address):
        raise Problem(
            429,
            "too many codes were asked for; wait a minute",
            name="too-many",
            headers=(header("retry-after", str(wait_s)),),
        )
    return await service.workers.run(_verified, service, request.parameters["code"])


def _verified(service: Service, code: str) -> Reply:
    with service.records.read() as session:
        found = emitted.verification(session, code)
    if found is None:
        raise Problem(404, "no report has this code", name="not-found", field="code")
    return reply(
        200,
        {
            "report_id": found.report_id,
            "version": found.version,
            "issued_at": moment(found.issued_us),
            "status": found.status,
            "patient": found.patient,
            "institution": found.institution,
            "examination": found.examination,
            "signers": list(found.signers),
            "hash": found.hash,
        },
    )


# --- what has not left


async def deliveries(service: Service, request: Request) -> Reply:
    """Handler of GET /api/v1/deliveries: documents that wait, those that failed most first."""
    return await service.workers.run(_deliveries, service, request)


def _deliveries(service: Service, request: Request) -> Reply:
    request.caller.permit(Act.OPERATE)
    with service.records.read() as session:
        rows = emitted.waiting(session)
    return reply(200, {"deliveries": [_delivery(row) for row in rows]})


async def retry(service: Service, request: Request) -> Reply:
    """Handler of POST /api/v1/deliveries/{delivery}/actions/retry: now instead of later."""
    return await service.workers.run(_retry, service, request)


def _retry(service: Service, request: Request) -> Reply:
    request.caller.permit(Act.OPERATE)
    uid = request.parameters["delivery"]

    def again(session: Any) -> None:
        emitted.try_again(session, uid)
        record(session, request.caller, Event("delivery.retry", uid))

    service.records.writing(again)
    return Reply(202)


def _delivery(row: emitted.Waiting) -> dict[str, Any]:
    return {
        "delivery_id": row.instance_uid,
        "report_id": row.report_id,
        "version": row.version,
        "kind": row.kind,
        "study_uid": row.study_uid,
        "queued_at": moment(row.queued_us),
        "due_at": moment(row.due_us),
        "tries": row.tries,
        "failure": row.failure or None,
    }
