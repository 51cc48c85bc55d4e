"""Exams: made of what arrives, complete by the modality's word, by quiet or by hand, with a time by
which their report is wanted (REP-30, REP-31).

An exam is an accession number of an issuer for a patient, or a study that has none. It is completed
once; images that come later change nothing of that. Who signs a report is told of them
(situation.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act
from dicomweb_server.config import Config
from dicomweb_server.dicom.pinyin import pinyin_name
from dicomweb_server.reading import placing
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.reading import Reading, attempted
from dicomweb_server.reading.shown import exam_documents
from dicomweb_server.reading.studies import StudyFacts, facts_key
from dicomweb_server.reading.tables import ExamRow, ExamStudyRow, ReportExamRow
from dicomweb_server.records.moments import now

URGENT, ROUTINE = 0, 1
PRIORITIES = {"urgent": URGENT, "routine": ROUTINE}
QUIET = "quiet"


def find(reading: Reading, *, study_uid: str = "", accession: str = "") -> list[dict[str, Any]]:
    """EXAM of each that has the study or the accession number."""
    reading.caller.permit(Act.SEARCH)
    wanted = sa.select(ExamRow).order_by(ExamRow.first_at, ExamRow.exam_id).limit(1000)
    if study_uid:
        held = sa.select(ExamStudyRow.exam_id).where(ExamStudyRow.study_uid == study_uid)
        wanted = wanted.where(ExamRow.exam_id.in_(held))
    if accession:
        wanted = wanted.where(ExamRow.accession == accession)
    with reading.records.read() as session:
        return exam_documents(session, session.scalars(wanted).all(), at=now())


def change(
    reading: Reading,
    exam_id: str,
    *,
    complete: bool = False,
    reason: str = "",
    priority: str = "",
) -> dict[str, Any]:
    """Somebody says that an exam is complete, and why; or how urgent it is; the EXAM then.

    Raises Unknown, Refused, Denied.
    """

    def work(session: Session) -> dict[str, Any]:
        reading.caller.permit(Act.ORDER if Act.ORDER in reading.caller.acts else Act.DRAFT)
        exam = session.get(ExamRow, exam_id)
        if exam is None:
            raise Unknown("exam", exam_id)
        detail: dict[str, Any] = {}
        if complete and not exam.complete:
            if not reason.strip():
                raise Refused("missing-field", "say why the exam is complete", field="reason")
            by = reading.caller.person_id or reading.caller.name
            completed(reading.archive.config, exam, by=by[:64], reason=reason, at=now())
            detail["complete"] = True
        if priority:
            if priority not in PRIORITIES:
                raise Refused(
                    "malformed",
                    f"'{priority[:40]}' is neither urgent nor routine",
                    field="priority",
                )
            detail["priority"] = priority
            prioritised(reading.archive.config, exam, PRIORITIES[priority])
        session.flush()
        record(session, reading.caller, Event("exam.change", exam_id, detail=detail))
        return exam_documents(session, [exam], at=now())[0]

    return attempted(reading, "exam.change", exam_id, work)


# ---------------------------------------------------------------------------- what arrives


def take(session: Session, config: Config, arrived: Sequence[StudyFacts]) -> None:
    """Studies have arrived, or more of them, or they say something else now: their exams.

    What is there of them is looked up for all at once: one by one it took more of the machine than
    storing small studies.
    """
    keys = {
        facts.study_uid: hashlib.sha256(facts_key(facts).encode()).hexdigest() for facts in arrived
    }
    wanted = sa.select(ExamStudyRow).where(ExamStudyRow.study_uid.in_(list(keys)))
    links = {link.study_uid: link for link in session.scalars(wanted)}
    held = [link.exam_id for link in links.values()]
    there = session.scalars(
        sa.select(ExamRow).where(
            sa.or_(ExamRow.key.in_(list(keys.values())), ExamRow.exam_id.in_(held))
        )
    ).all()
    by_key = {exam.key: exam for exam in there}
    by_id = {exam.exam_id: exam for exam in there}
    fresh: list[ExamStudyRow] = []
    for facts in arrived:
        at = now()
        key, link = keys[facts.study_uid], links.get(facts.study_uid)
        exam = by_key.get(key)
        if link is not None and (exam is None or link.exam_id != exam.exam_id):
            before = by_id[link.exam_id]
            if _has_report(session, before.exam_id):
                # It stays what its report is about; the report's guards see that it says otherwise.
                exam = before
            else:
                # Who is left must be known before it is asked whether anybody is.
                _link(session, fresh)
                if _leave(session, before, link):
                    by_key.pop(before.key, None)
                link = None
        if exam is None:
            exam = by_key[key] = _begun(key, facts, at=at)
            session.add(exam)
        _describe(exam, facts)
        exam.last_at = at
        if not exam.complete:
            if facts.urgent:
                exam.urgency = URGENT
            _set_due(config, exam, at)
        if link is None:
            fresh.append(ExamStudyRow(study_uid=facts.study_uid, exam_id=exam.exam_id))
    _link(session, fresh)


def _link(session: Session, fresh: list[ExamStudyRow]) -> None:
    # First the exams that the links refer to.
    session.flush()
    session.add_all(fresh)
    session.flush()
    fresh.clear()


def _begun(key: str, facts: StudyFacts, *, at: datetime) -> ExamRow:
    return ExamRow(
        exam_id=str(uuid4()),
        key=key,
        first_at=at,
        complete=False,
        completed_at=None,
        completed_by="",
        completed_reason="",
        urgency=URGENT if facts.urgent else ROUTINE,
        lane=placing.UNREAD,
        waits=False,
        holder="",
        issued_at=None,
        modality="",
    )


def forget(session: Session, study_uid: str) -> None:
    """A study has been deleted: an exam without studies and without reports goes with it."""
    link = session.get(ExamStudyRow, study_uid)
    if link is None:
        return
    exam = session.get_one(ExamRow, link.exam_id)
    if not _has_report(session, exam.exam_id):
        _leave(session, exam, link)


def _leave(session: Session, exam: ExamRow, link: ExamStudyRow) -> bool:
    """A study is no longer of an exam; whether that was its last and the exam is gone too."""
    session.delete(link)
    session.flush()
    left = sa.select(sa.func.count()).where(ExamStudyRow.exam_id == exam.exam_id)
    if session.scalar(left):
        return False
    session.delete(exam)
    session.flush()
    return True


def _has_report(session: Session, exam_id: str) -> bool:
    found = sa.select(ReportExamRow.report_id).where(ReportExamRow.exam_id == exam_id).limit(1)
    return session.scalars(found).first() is not None


def _describe(exam: ExamRow, facts: StudyFacts) -> None:
    patient = facts.patient
    exam.accession, exam.issuer = facts.accession[:64], facts.issuer[:400]
    exam.patient_id, exam.patient_issuer = patient.patient_id[:400], patient.issuer[:400]
    exam.name, exam.ideographic = patient.name[:400], patient.ideographic[:400]
    exam.birth_date, exam.sex, exam.age = (
        patient.birth_date[:16],
        patient.sex[:16],
        patient.age[:16],
    )
    exam.visit = patient.visit[:100]
    known = [each for each in exam.modality.split(",") if each]
    exam.modality = ",".join(dict.fromkeys((*known, *facts.modalities)))[:100]
    exam.body_part, exam.description = facts.body_part[:100], facts.description[:400]
    exam.performed, exam.institution = facts.performed[:32], facts.institution[:400]
    exam.requesting_service = facts.requesting_service[:200]
    exam.requesting_physician = facts.requesting_physician[:200]
    exam.reason = facts.reason[:1000]
    sounds = pinyin_name(patient.ideographic) if patient.ideographic else ""
    texts = (
        patient.name.replace("^", " "),
        patient.ideographic.replace("^", ""),
        sounds.replace("^", ""),
        patient.patient_id,
        patient.visit,
        facts.accession,
        facts.description,
    )
    exam.searched = " ".join(filter(None, texts)).lower()[:2000]


# ---------------------------------------------------------------------------- complete


def completed(config: Config, exam: ExamRow, *, by: str, reason: str, at: datetime) -> None:
    """The exam is complete from now on: the clock of its report runs."""
    exam.complete = True
    exam.completed_at, exam.completed_by, exam.completed_reason = at, by, reason[:1000]
    _set_due(config, exam, at)
    exam.waits = placing.waits(exam)


def prioritised(config: Config, exam: ExamRow, urgency: int) -> None:
    exam.urgency = urgency
    _set_due(config, exam, exam.completed_at or exam.last_at)


def _set_due(config: Config, exam: ExamRow, since: datetime) -> None:
    due_s, breach_s = (
        (config.urgent_due_s, config.urgent_breach_s)
        if exam.urgency == URGENT
        else (config.routine_due_s, config.routine_breach_s)
    )
    exam.due_at = since + timedelta(seconds=due_s)
    exam.breach_at = since + timedelta(seconds=breach_s)


@dataclass(frozen=True, slots=True)
class Incomplete:
    """An exam whose end nobody has said yet."""

    exam_id: str
    accession: str
    last_at: datetime
    study_uids: Sequence[str]


def incomplete(session: Session, *, limit: int = 1000) -> list[Incomplete]:
    """Those whose end nobody has said yet, quiet longest first."""
    waiting = session.execute(
        sa.select(ExamRow.exam_id, ExamRow.accession, ExamRow.last_at)
        .where(~ExamRow.complete)
        .order_by(ExamRow.last_at)
        .limit(limit)
    ).all()
    studies: dict[str, list[str]] = {exam_id: [] for exam_id, _, _ in waiting}
    held = session.execute(
        sa.select(ExamStudyRow.exam_id, ExamStudyRow.study_uid).where(
            ExamStudyRow.exam_id.in_(list(studies))
        )
    )
    for exam_id, study_uid in held:
        studies[exam_id].append(study_uid)
    return [Incomplete(exam_id, number, at, studies[exam_id]) for exam_id, number, at in waiting]
