"""Looking at reports: one, those of a study, those that fit a search; what was issued, and what
happened when."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.reading import rows
from dicomweb_server.reading.content_json import as_json
from dicomweb_server.reading.emitted import permit_recalled
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.once import Answer
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.shown import (
    moment,
    report_document,
    signature_document,
    version_document,
)
from dicomweb_server.reading.staff import names_of
from dicomweb_server.reading.state import STATUSES
from dicomweb_server.reading.tables import (
    AnnotationRow,
    ContentRow,
    ExamRow,
    ExamStudyRow,
    ReportExamRow,
    ReportRow,
    VersionRow,
    VersionSignatureRow,
)

VIEWED = "report.view"
"""Action of the audit's events of somebody who was given a report's text (SEC-01)."""

MOST = 500
USUAL = 50


def report(reading: Reading, report_id: str) -> Answer:
    """REPORT. Raises Unknown, Denied."""
    reading.caller.permit(Act.READ_REPORTS)
    with reading.records.read() as session:
        row = rows.report_row(session, report_id)
        return Answer(report_document(reading, session, row), rows.etag_of(row))


def find(
    reading: Reading,
    *,
    study_uid: str = "",
    q: str = "",
    status: str = "",
    signer: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    modality: str = "",
    limit: int = USUAL,
    after: str = "",
) -> dict[str, Any]:
    """Reports that fit all that is given, newest first: {"items", "next"}.

    q             words that the exam's names, numbers and description contain, or the text: the one
                  issued, and the one being written for who may see it
    since, until  when they were begun

    Raises Refused, Denied.
    """
    reading.caller.permit(Act.READ_REPORTS)
    if status and status not in STATUSES:
        detail = f"'{status[:40]}' is none of {', '.join(STATUSES)}"
        raise Refused("malformed", detail, field="status")
    wanted = sa.select(ReportRow)
    for condition in _exam_conditions(study_uid=study_uid, modality=modality):
        held = sa.select(ReportExamRow.report_id).join(
            ExamRow, ExamRow.exam_id == ReportExamRow.exam_id
        )
        wanted = wanted.where(ReportRow.report_id.in_(held.where(condition)))
    for word in q.lower().split()[:8]:
        about = (
            sa.select(ReportExamRow.report_id)
            .join(ExamRow, ExamRow.exam_id == ReportExamRow.exam_id)
            .where(ExamRow.searched.contains(word, autoescape=True))
        )
        says = sa.select(ContentRow.content_hash).where(
            sa.func.lower(ContentRow.document).contains(word, autoescape=True)
        )
        wanted = wanted.where(ReportRow.report_id.in_(about) | _says(reading, says))
    if status:
        wanted = wanted.where(ReportRow.status == status)
    if signer:
        signed = sa.select(VersionSignatureRow.report_id).where(
            VersionSignatureRow.person_id == signer
        )
        wanted = wanted.where(ReportRow.report_id.in_(signed) | (ReportRow.signer == signer))
    if since is not None:
        wanted = wanted.where(ReportRow.created_at >= since)
    if until is not None:
        wanted = wanted.where(ReportRow.created_at <= until)
    if after:
        # Ids begin with the time they were made at (UUID version 7).
        wanted = wanted.where(ReportRow.report_id < after)
    limit = min(max(limit, 1), MOST)
    with reading.records.read() as session:
        found = session.scalars(wanted.order_by(ReportRow.report_id.desc()).limit(limit + 1)).all()
        items = _summaries(session, found[:limit])
    return {"items": items, "next": found[limit - 1].report_id if len(found) > limit else None}


def _says(reading: Reading, texts: Any) -> Any:
    """Whether a report's text is among `texts`: what was issued last, and to those who see it what
    is being written. A search that found by a draft's words would tell them."""
    issued = sa.exists().where(
        VersionRow.report_id == ReportRow.report_id,
        VersionRow.version == ReportRow.current_version,
        VersionRow.content_hash.in_(texts),
    )
    return issued | ReportRow.content_hash.in_(texts) if reading.sees_unissued else issued


def _exam_conditions(*, study_uid: str, modality: str) -> list[Any]:
    conditions: list[Any] = []
    if study_uid:
        held = sa.select(ExamStudyRow.exam_id).where(ExamStudyRow.study_uid == study_uid)
        conditions.append(ExamRow.exam_id.in_(held))
    if modality:
        padded = "," + ExamRow.modality + ","
        conditions.append(padded.contains(f",{modality},", autoescape=True))
    return conditions


def _summaries(session: Session, found: Sequence[ReportRow]) -> list[dict[str, Any]]:
    people = names_of(session, {p for row in found for p in (row.holder, row.signer, row.reviewer)})
    summaries = []
    for row in found:
        exams = rows.exams_of(session, row.report_id)
        studies = rows.studies_of(session, exams)
        first = exams[0]
        issued = session.scalar(
            sa.select(sa.func.max(VersionRow.issued_at)).where(
                VersionRow.report_id == row.report_id
            )
        )
        summaries.append(
            {
                "report_id": row.report_id,
                "status": row.status,
                "stage": row.stage,
                "cycle": row.cycle or None,
                "current_version": row.current_version,
                "accession": first.accession,
                "study_uids": [uid for exam in exams for uid in studies[exam.exam_id]],
                "modality": first.modality,
                "body_part": first.body_part,
                "description": first.description,
                "performed": first.performed,
                "patient": {
                    "patient_id": first.patient_id,
                    "name": first.name,
                    "ideographic": first.ideographic,
                    "birth_date": first.birth_date,
                    "sex": first.sex,
                    "age": first.age,
                },
                "holder": people.get(row.holder),
                "signer": people.get(row.signer),
                "reviewer": people.get(row.reviewer),
                "created_at": moment(row.created_at),
                "issued_at": moment(issued),
            }
        )
    return summaries


def version(reading: Reading, report_id: str, number: int) -> tuple[dict[str, Any], bool]:
    """VERSION with its content, patient and exam; and whether a later one was issued.

    Raises Unknown, Refused, Denied.
    """
    reading.caller.permit(Act.READ_REPORTS)
    with reading.records.read() as session:
        report_ = rows.report_row(session, report_id)
        permit_recalled(reading, session, report_id)
        row = session.get(VersionRow, (report_id, number)) if number < 2**31 else None
        if row is None:
            raise Unknown("version", f"{number} of report {report_id}")
        signed = rows.signature_rows(session, report_id, number)
        document = version_document(session, row, signed)
        document |= json.loads(row.snapshot)
        document["content"] = as_json(rows.content(session, row.content_hash))
        return document, row.version < report_.current_version


def annotations(reading: Reading, report_id: str) -> list[dict[str, Any]]:
    """The signed remarks on a report, oldest first."""
    reading.caller.permit(Act.READ_REPORTS)
    with reading.records.read() as session:
        rows.report_row(session, report_id)
        found = session.scalars(
            sa.select(AnnotationRow)
            .where(AnnotationRow.report_id == report_id)
            .order_by(AnnotationRow.signed_at)
        ).all()
        return [
            {
                "annotation_id": each.annotation_id,
                "version": each.version,
                "text": each.text,
                **signature_document(each),
            }
            for each in found
        ]


def timeline(reading: Reading, report_id: str) -> list[dict[str, Any]]:
    """Everything that happened to a report, refusals included, oldest first (REP-19); who read it
    is for the audit."""
    reading.caller.permit(Act.READ_REPORTS)
    with reading.records.read() as session:
        rows.report_row(session, report_id)
        found = session.scalars(
            sa.select(AuditRow)
            .where(AuditRow.subject == report_id, AuditRow.action != VIEWED)
            .order_by(AuditRow.seq)
        ).all()
        people = names_of(session, {each.person_id for each in found})
        return [
            {
                "at": each.at,
                "action": each.action,
                "outcome": each.outcome,
                "by": people.get(each.person_id) or each.actor,
                "detail": json.loads(each.detail),
            }
            for each in found
        ]
