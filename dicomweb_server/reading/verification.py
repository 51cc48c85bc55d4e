"""Whether what was signed is what is stored (I9): every digest and every signature recomputed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act
from dicomweb_server.reading import rows, signing
from dicomweb_server.reading.content_json import content_of
from dicomweb_server.reading.emitted import verify_documents
from dicomweb_server.reading.errors import ReadingError
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.tables import (
    AnnotationRow,
    ContentRow,
    ReportRow,
    SignatureRow,
    VersionRow,
)

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """versions, signatures  that were looked at
    faults  what is wrong, a sentence each
    """

    versions: int
    signatures: int
    faults: tuple[str, ...]


def verify(reading: Reading, report_id: str = "") -> Verified:
    """Everything that one report has issued, or all reports have."""
    versions, signatures, faults = 0, 0, list[str]()
    with reading.records.read() as session:
        if report_id:
            rows.report_row(session, report_id)
        for row in _versions(session, report_id):
            versions += 1
            signed = rows.signature_rows(session, row.report_id, row.version)
            signatures += len(signed)
            where = f"report {row.report_id} version {row.version}"
            faults += [f"{where}: {fault}" for fault in _faults(session, row, signed)]
        wanted = sa.select(AnnotationRow)
        if report_id:
            wanted = wanted.where(AnnotationRow.report_id == report_id)
        for remark in session.scalars(wanted):
            signatures += 1
            where = f"report {remark.report_id} remark {remark.annotation_id}"
            faults += [f"{where}: {fault}" for fault in _signature_faults(remark)]
            if json.loads(remark.payload).get("text") != remark.text:
                faults.append(f"{where}: its text is not what was signed")
        for report in _pointers(session, report_id):
            newest = session.scalar(
                sa.select(sa.func.max(VersionRow.version)).where(
                    VersionRow.report_id == report.report_id
                )
            )
            if report.current_version != (newest or 0):
                faults.append(
                    f"report {report.report_id}: its current version is "
                    f"{report.current_version}, the newest issued is {newest or 0}"
                )
    verify_documents(reading.archive, reading.records, report_id=report_id, report=faults.append)
    return Verified(versions, signatures, tuple(faults))


def verified(reading: Reading, report_id: str) -> Verified:
    """`verify` for one who reads reports. Raises Denied, Unknown."""
    reading.caller.permit(Act.READ_REPORTS)
    return verify(reading, report_id)


def _versions(session: Session, report_id: str) -> Iterator[VersionRow]:
    after = ("", 0)
    while True:
        wanted = sa.select(VersionRow).where(
            sa.tuple_(VersionRow.report_id, VersionRow.version) > after
        )
        if report_id:
            wanted = wanted.where(VersionRow.report_id == report_id)
        order = (VersionRow.report_id, VersionRow.version)
        page = session.scalars(wanted.order_by(*order).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = (page[-1].report_id, page[-1].version)


def _pointers(session: Session, report_id: str) -> Iterator[ReportRow]:
    wanted = sa.select(ReportRow)
    if report_id:
        wanted = wanted.where(ReportRow.report_id == report_id)
    yield from session.scalars(wanted.execution_options(yield_per=_PAGE))


def _faults(session: Session, row: VersionRow, signed: list[SignatureRow]) -> Iterator[str]:
    yield from _content_faults(session, row.content_hash)
    if len({each.person_id for each in signed}) != len(signed):
        yield "one person signed twice"
    needed = 1 if row.kind == "preliminary" else 2
    if len(signed) != needed:
        yield f"it has {len(signed)} signatures, {needed} are needed"
    for each in signed:
        yield from (f"{each.role} signature: {fault}" for fault in _signature_faults(each))
        payload = json.loads(each.payload)
        if payload["report_id"] != row.report_id:
            yield f"{each.role} signature: it is of another report"
        if {"patient": payload["patient"], "exam": payload["exam"]} != json.loads(row.snapshot):
            yield f"{each.role} signature: it is over another patient or exam"
        yield from _content_faults(session, payload["content_hash"])
    if signed:
        last = json.loads(signed[-1].payload)
        if last["content_hash"] != row.content_hash:
            yield "what was issued is not what was signed last"
        if last["version"] != row.version or (needed == 2 and last["kind"] != row.kind):
            yield "what was signed last is another version"
        if len(signed) == 2 and last["first"] != signed[0].covered:
            yield "the second signature does not cover the first"


def _content_faults(session: Session, content_hash: str) -> Iterator[str]:
    row = session.get(ContentRow, content_hash)
    if row is None:
        yield f"content {content_hash} is missing"
        return
    try:
        digest = content_of(json.loads(row.document)).digest
    except (ReadingError, ValueError):
        digest = ""
    if digest != content_hash or hashlib.sha256(row.document.encode()).hexdigest() != content_hash:
        yield f"content {content_hash} is not what its digest says"


def _signature_faults(row: SignatureRow | AnnotationRow) -> Iterator[str]:
    payload = row.payload.encode()
    if rfc8785.dumps(json.loads(payload)) != payload:
        yield "what was signed is not canonical"
    if hashlib.sha256(payload).hexdigest() != row.covered:
        yield "what was signed is not what its digest says"
    person = json.loads(payload)["person"]
    if (row.person_id, row.name, row.rank, row.licence) != (
        person["person_id"],
        person["name"],
        person["rank"],
        person["licence"],
    ):
        yield "who signed is not who is named"
    signer = signing.BY_ALGORITHM.get(row.algorithm)
    if signer is None:
        yield f"there is no driver for {row.algorithm}"
    elif not signer.is_good(payload, value=row.value, certificate=row.certificate):
        yield "it does not verify"
