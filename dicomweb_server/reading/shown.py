"""Exams, reports and versions as the REST documents that clients are given."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.reading import outbox, rows
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.situation import ASSUMED, Present, late_images
from dicomweb_server.reading.staff import names_of, reader_of
from dicomweb_server.reading.tables import (
    ExamRow,
    ReportExamRow,
    ReportRow,
    SignatureRow,
    VersionRow,
)
from dicomweb_server.reading.transitions import (
    ACTIONS,
    TRANSITIONS,
    Transition,
    meant,
    standing_refusal,
)
from dicomweb_server.records.moments import now, rfc3339


def moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def exam_documents(
    session: Session, exams: Sequence[ExamRow], *, at: datetime
) -> list[dict[str, Any]]:
    """EXAM of each, with the live report of it."""
    studies = rows.studies_of(session, exams)
    found = session.execute(
        sa.select(ReportExamRow.exam_id, ReportRow)
        .join(ReportRow, ReportRow.report_id == ReportExamRow.report_id)
        .where(ReportExamRow.exam_id.in_(studies), ReportExamRow.live)
    )
    reports = dict(found.all())
    return [_exam(exam, studies[exam.exam_id], reports.get(exam.exam_id), at) for exam in exams]


def _exam(
    exam: ExamRow, study_uids: list[str], report: ReportRow | None, at: datetime
) -> dict[str, Any]:
    return {
        "exam_id": exam.exam_id,
        "accession": exam.accession,
        "issuer": exam.issuer,
        "study_uids": study_uids,
        "modality": exam.modality,
        "body_part": exam.body_part,
        "description": exam.description,
        "performed": exam.performed,
        "institution": exam.institution,
        "requesting_service": exam.requesting_service,
        "requesting_physician": exam.requesting_physician,
        "reason": exam.reason,
        "patient": {
            "patient_id": exam.patient_id,
            "issuer": exam.patient_issuer,
            "name": exam.name,
            "ideographic": exam.ideographic,
            "birth_date": exam.birth_date,
            "sex": exam.sex,
            "age": exam.age,
            "visit": exam.visit,
        },
        "complete": exam.complete,
        "completed_at": moment(exam.completed_at),
        "completed_by": exam.completed_by or None,
        "priority": "routine" if exam.urgency else "urgent",
        "due_at": moment(exam.due_at) if exam.complete else None,
        "breach_at": moment(exam.breach_at) if exam.complete else None,
        "overdue": exam.waits and exam.breach_at <= at,
        "issued_at": moment(exam.issued_at),
        "report": None
        if report is None
        else {"report_id": report.report_id, "status": report.status, "stage": report.stage},
    }


def report_document(reading: Reading, session: Session, report: ReportRow) -> dict[str, Any]:
    """REPORT, with what the caller could do now."""
    versions = version_rows(session, report.report_id)
    signatures = {v.version: rows.signature_rows(session, v.report_id, v.version) for v in versions}
    people = names_of(
        session, (report.holder, report.author, report.signer, report.returned_by, report.recall_by)
    )
    allowed, why_not = possible(reading, session, report)
    exams = rows.exams_of(session, report.report_id)
    return {
        "report_id": report.report_id,
        "status": report.status,
        "stage": report.stage,
        "cycle": report.cycle or None,
        "rev": report.rev,
        "etag": rows.etag_of(report),
        "content_hash": report.content_hash,
        "holder": _holder(report, people),
        "author": _person(report.author or report.signer, people),
        "exams": exam_documents(session, exams, at=now()),
        "difficult": report.difficult,
        "reason": report.reason or None,
        "returned": {
            "reason": report.returned_reason,
            "by": _person(report.returned_by, people),
            "at": moment(report.returned_at),
        }
        if report.returned_by and reading.sees_unissued
        else None,
        "late_images": moment(late_images(reading, session, report)),
        "recall_requested_by": _person(report.recall_by, people),
        "current_version": report.current_version,
        "versions": [
            version_document(session, each, signatures[each.version]) for each in versions
        ],
        "allowed": allowed,
        "why_not": why_not,
        "created_at": moment(report.created_at),
        "changed_at": moment(report.changed_at),
    }


def possible(
    reading: Reading, session: Session, report: ReportRow
) -> tuple[list[str], dict[str, str]]:
    """What the caller could do with a report now, and why not the rest of what its stage allows."""
    at = rows.next_moment(report)
    try:
        actor, _ = reader_of(session, reading.caller, at=at)
    except Refused as error:
        at_hand = {each.action for each in TRANSITIONS if report.stage in each.stages}
        return [], dict.fromkeys(sorted(at_hand), error.name)
    present = Present(reading, session, report, actor=actor, said=ASSUMED, at=at)
    allowed: list[str] = []
    why_not: dict[str, str] = {}
    for action in ACTIONS:
        found = meant(action, present)
        if not isinstance(found, Transition):
            continue
        refused = standing_refusal(found, present)
        if found.act not in reading.caller.acts:
            why_not[action] = "denied"
        elif refused is not None:
            why_not[action] = refused.name
        else:
            allowed.append(action)
    return allowed, why_not


def version_rows(session: Session, report_id: str) -> list[VersionRow]:
    return list(
        session.scalars(
            sa.select(VersionRow)
            .where(VersionRow.report_id == report_id)
            .order_by(VersionRow.version)
        )
    )


def version_document(
    session: Session, version: VersionRow, signatures: Iterable[SignatureRow]
) -> dict[str, Any]:
    """VERSION."""
    documents = outbox.documents(session, version.report_id, version.version)
    return {
        "version": version.version,
        "kind": version.kind,
        "base_version": version.base_version,
        "reason": version.reason,
        "issued_at": moment(version.issued_at),
        "content_hash": version.content_hash,
        "signatures": [signature_document(each) for each in signatures],
        "exceptions": list(filter(None, version.exceptions.split(","))),
        "sr_uid": documents.sr_uid or None,
        "pdf_uid": documents.pdf_uid or None,
        "archived": documents.archived,
        "verification_code": documents.verification_code or None,
    }


def signature_document(row: Any) -> dict[str, Any]:
    return {
        "role": getattr(row, "role", "annotation"),
        "person_id": row.person_id,
        "name": row.name,
        "rank": row.rank,
        "licence": row.licence,
        "signed_at": moment(row.signed_at),
        "algorithm": row.algorithm,
        "covered": row.covered,
    }


def _person(person_id: str, people: Any) -> dict[str, str] | None:
    return {"person_id": person_id, "name": people.get(person_id, "")} if person_id else None


def _holder(report: ReportRow, people: Any) -> dict[str, Any] | None:
    person = _person(report.holder, people)
    return None if person is None else {**person, "until": moment(report.lease_until)}
