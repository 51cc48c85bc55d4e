"""Rows as values and back: a report's state, its contents, its exams, what was issued."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.reading.content import (
    Content,
    Exam,
    IssuedVersion,
    Patient,
    Signature,
)
from dicomweb_server.reading.content_json import content_of
from dicomweb_server.reading.errors import Unknown
from dicomweb_server.reading.state import State
from dicomweb_server.reading.tables import (
    ContentRow,
    ExamRow,
    ExamStudyRow,
    ReportExamRow,
    ReportRow,
    SignatureRow,
    VersionRow,
    VersionSignatureRow,
)
from dicomweb_server.records.moments import now

_TICK = timedelta(microseconds=1)


def report_row(session: Session, report_id: str) -> ReportRow:
    """Raises Unknown."""
    row = session.get(ReportRow, report_id)
    if row is None:
        raise Unknown("report", report_id)
    return row


def next_moment(report: ReportRow) -> datetime:
    """The server's time, and in any case after the last of this report (I10)."""
    return max(now(), report.changed_at + _TICK)


def etag_of(report: ReportRow) -> str:
    return f'"{report.rev}-{report.content_hash[:8]}"'


def state_of(report: ReportRow) -> State:
    return State(
        stage=report.stage,
        status=report.status,
        cycle=report.cycle,
        holder=report.holder,
        author=report.author,
        signer=report.signer,
        difficult=report.difficult,
        released=report.released,
        version=report.current_version,
        base=report.base_version,
        reviewer=report.reviewer,
        reviewer_rank=report.reviewer_rank,
        recall_by=report.recall_by,
        recall_rank=report.recall_rank,
        exceptions=tuple(filter(None, report.exceptions.split(","))),
    )


def columns_of(state: State) -> dict[str, Any]:
    """What `state_of` reads."""
    return {
        "stage": state.stage,
        "status": state.status,
        "cycle": state.cycle,
        "holder": state.holder,
        "author": state.author,
        "signer": state.signer,
        "difficult": state.difficult,
        "released": state.released,
        "current_version": state.version,
        "base_version": state.base,
        "reviewer": state.reviewer,
        "reviewer_rank": state.reviewer_rank,
        "recall_by": state.recall_by,
        "recall_rank": state.recall_rank,
        "exceptions": ",".join(state.exceptions),
    }


def kept(session: Session, content: Content) -> str:
    """The digest of a content, which is stored when it was not yet."""
    digest = content.digest
    if session.get(ContentRow, digest) is None:
        session.add(ContentRow(content_hash=digest, document=content.canonical().decode()))
        session.flush()
    return digest


def content(session: Session, digest: str) -> Content:
    return content_of(json.loads(session.get_one(ContentRow, digest).document))


def exams_of(session: Session, report_id: str) -> list[ExamRow]:
    """What a report is about, in order."""
    return list(
        session.scalars(
            sa.select(ExamRow)
            .join(ReportExamRow, ReportExamRow.exam_id == ExamRow.exam_id)
            .where(ReportExamRow.report_id == report_id)
            .order_by(ReportExamRow.position)
        )
    )


def studies_of(session: Session, exams: Sequence[ExamRow]) -> dict[str, list[str]]:
    """Study Instance UIDs by exam_id, in the order of the UIDs."""
    found: dict[str, list[str]] = {exam.exam_id: [] for exam in exams}
    rows = session.execute(
        sa.select(ExamStudyRow.exam_id, ExamStudyRow.study_uid)
        .where(ExamStudyRow.exam_id.in_(found))
        .order_by(ExamStudyRow.study_uid)
    )
    for exam_id, study_uid in rows:
        found[exam_id].append(study_uid)
    return found


def patient_of(exam: ExamRow) -> Patient:
    return Patient(
        exam.patient_id,
        exam.patient_issuer,
        exam.name,
        exam.ideographic,
        exam.birth_date,
        exam.sex,
        exam.age,
        exam.visit,
    )


def exam_of(exams: Sequence[ExamRow], studies: dict[str, list[str]]) -> Exam:
    """What a report is about as one value: the first exam, with the studies of all."""
    first = exams[0]
    modalities = dict.fromkeys(m for e in exams for m in e.modality.split(",") if m)
    return Exam(
        accession=first.accession,
        study_uids=tuple(uid for exam in exams for uid in studies[exam.exam_id]),
        modality=",".join(modalities),
        body_part=first.body_part,
        description=first.description,
        performed=first.performed,
        institution=first.institution,
        requesting_service=first.requesting_service,
        requesting_physician=first.requesting_physician,
        reason=first.reason,
    )


def snapshot_of(document: str) -> tuple[Patient, Exam]:
    """Patient and exam of a canonical snapshot, or of a signed payload."""
    found = json.loads(document)
    exam = found["exam"] | {"study_uids": tuple(found["exam"]["study_uids"])}
    return Patient(**found["patient"]), Exam(**exam)


def signature_rows(session: Session, report_id: str, version: int) -> list[SignatureRow]:
    """The signatures a version issued with, in order."""
    return list(
        session.scalars(
            sa.select(SignatureRow)
            .join(
                VersionSignatureRow, VersionSignatureRow.signature_id == SignatureRow.signature_id
            )
            .where(
                VersionSignatureRow.report_id == report_id,
                VersionSignatureRow.version == version,
            )
            .order_by(VersionSignatureRow.position)
        )
    )


def signature_of(row: SignatureRow) -> Signature:
    return Signature(
        role=row.role,
        person_id=row.person_id,
        name=row.name,
        rank=row.rank,
        licence=row.licence,
        signed_at=row.signed_at,
        algorithm=row.algorithm,
        covered=row.covered,
        value=row.value,
        certificate=row.certificate,
    )


def issued_version(
    session: Session, row: VersionRow, *, author: str, current: bool
) -> IssuedVersion:
    """A version as the makers of documents are given it.

    author   name of who wrote it first
    current  whether no later one was issued
    """
    patient, exam = snapshot_of(row.snapshot)
    return IssuedVersion(
        report_id=row.report_id,
        version=row.version,
        kind=row.kind,
        base_version=row.base_version,
        reason=row.reason,
        issued_at=row.issued_at,
        content=content(session, row.content_hash),
        patient=patient,
        exam=exam,
        signatures=tuple(map(signature_of, signature_rows(session, row.report_id, row.version))),
        author=author,
        exceptions=tuple(filter(None, row.exceptions.split(","))),
        current=current,
    )
