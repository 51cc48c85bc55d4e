"""Beginning a report: one for one exam or several, and no second one while it lives (I5)."""

import os
import time
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act
from dicomweb_server.reading import rows
from dicomweb_server.reading.content import Content
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.once import Answer, Once, answered
from dicomweb_server.reading.placing import placed
from dicomweb_server.reading.reading import Reading, attempted
from dicomweb_server.reading.shown import report_document
from dicomweb_server.reading.state import State
from dicomweb_server.reading.tables import ExamRow, ReportExamRow, ReportRow, RevisionRow
from dicomweb_server.records.moments import now

MOST_EXAMS = 20
"""Of one report (group reading)."""


def create(reading: Reading, exam_ids: Sequence[str], *, once: Once | None = None) -> Answer:
    """The report about these exams: a new one, or the one that is live already.

    Raises Unknown; Refused when they have different live reports, or patients; Denied.
    """
    subject = ",".join(exam_ids)[:400]

    def work(session: Session) -> Answer:
        reading.caller.permit(Act.DRAFT)
        return answered(session, reading.caller, once, lambda: _create(reading, session, exam_ids))

    return attempted(reading, "report.create", subject, work)


def _create(reading: Reading, session: Session, exam_ids: Sequence[str]) -> Answer:
    if not 0 < len(exam_ids) <= MOST_EXAMS or len(set(exam_ids)) != len(exam_ids):
        detail = f"a report is about 1 to {MOST_EXAMS} different exams"
        raise Refused("malformed", detail, field="exams")
    exams = []
    for exam_id in exam_ids:
        exam = session.get(ExamRow, exam_id)
        if exam is None:
            raise Unknown("exam", exam_id)
        exams.append(exam)
    live = session.execute(
        sa.select(ReportExamRow.exam_id, ReportExamRow.report_id).where(
            ReportExamRow.exam_id.in_(exam_ids), ReportExamRow.live
        )
    ).all()
    if live:
        reports = {report_id for _, report_id in live}
        if len(reports) > 1 or len(live) < len(exam_ids):
            detail = "some of these exams have a report already, apart from the others"
            raise Refused("wrong-state", detail, reports=sorted(reports))
        report = rows.report_row(session, reports.pop())
        return Answer(report_document(reading, session, report), rows.etag_of(report))
    if len({(exam.patient_id, exam.patient_issuer) for exam in exams}) > 1:
        raise Refused("malformed", "the exams are of different patients", field="exams")
    report = _begun(reading, session, exams)
    return Answer(report_document(reading, session, report), rows.etag_of(report), made=True)


def _begun(reading: Reading, session: Session, exams: Sequence[ExamRow]) -> ReportRow:
    at = now()
    digest = rows.kept(session, Content())
    report = ReportRow(
        report_id=new_id(),
        rev=1,
        content_hash=digest,
        lease_until=None,
        round=1,
        reason="",
        request_id="",
        cycle_opened_at=at,
        returned_by="",
        returned_at=None,
        returned_reason="",
        created_at=at,
        changed_at=at,
        **rows.columns_of(State()),
    )
    session.add(report)
    session.flush()
    for position, exam in enumerate(exams):
        session.add(
            ReportExamRow(
                report_id=report.report_id, exam_id=exam.exam_id, position=position, live=True
            )
        )
    session.add(
        RevisionRow(
            revision_id=new_id(),
            report_id=report.report_id,
            branch="main",
            rev=1,
            action="create",
            stage=report.stage,
            author=reading.caller.person_id,
            at=at,
            base_rev=0,
            content_hash=digest,
            reason="",
        )
    )
    session.flush()
    placed(session, report, exams, at=at)
    detail = {"exams": [exam.exam_id for exam in exams]}
    record(session, reading.caller, Event("report.create", report.report_id, detail=detail))
    return report


def new_id() -> str:
    """UUID version 7 (RFC 9562 §5.7): milliseconds first, so ids sort by their time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    return str(UUID(int=value))
