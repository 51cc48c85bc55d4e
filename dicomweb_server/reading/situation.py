"""A report and somebody who wants something of it: what guards look at (guards.Situation)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.tables import AuditRow
from dicomweb_server.reading import rows
from dicomweb_server.reading.check_context import context_of
from dicomweb_server.reading.checks import check
from dicomweb_server.reading.content import Content, Exam, Patient
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.staff import staff
from dicomweb_server.reading.state import (
    ADDENDUM,
    CORRECTION,
    ENDED,
    IDLE,
    UNREAD,
    Reader,
    State,
)
from dicomweb_server.reading.studies import images_changed_at, study_facts
from dicomweb_server.reading.tables import (
    AmendmentRequestRow,
    ExamRow,
    ReportRow,
    RevisionRow,
    SignatureRow,
    VersionRow,
)
from dicomweb_server.records.moments import rfc3339

VIEWED = "study.view"
"""Action of the audit's events of somebody who opened images."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a request for a transition says.

    content_hash  what the signer has seen
    text          of an annotation
    request_id    the amendment request that a correction answers
    images_seen   when the last image came (RFC 3339) that the signer says to have seen
    """

    reason: str = ""
    content_hash: str | None = None
    text: str = ""
    difficult: bool = False
    request_id: str = ""
    images_seen: str = ""


ASSUMED = Said(reason="assumed")
"""To find out what could be done if a reason were given."""


class Present:
    """A Situation: looks up what a guard asks for when it asks."""

    def __init__(
        self,
        reading: Reading,
        session: Session,
        report: ReportRow,
        *,
        actor: Reader,
        said: Said,
        at: datetime,
    ) -> None:
        self.reading = reading
        self.session = session
        self.report = report
        self.actor = actor
        self.said = said
        self.at = at

    @cached_property
    def state(self) -> State:
        state = rows.state_of(self.report)
        if state.reviewer:
            # Who has risen since is not corrected by somebody who ranked above then.
            now = next((p.rank for p in self.staff if p.person_id == state.reviewer), 0)
            state = replace(state, reviewer_rank=max(state.reviewer_rank, now))
        return state

    @cached_property
    def staff(self) -> Sequence[Reader]:
        return staff(self.session)

    @property
    def lease_expired(self) -> bool:
        until = self.report.lease_until
        return until is None or until <= self.at

    @cached_property
    def exams(self) -> Sequence[ExamRow]:
        return rows.exams_of(self.session, self.report.report_id)

    @property
    def exam_complete(self) -> bool:
        return all(exam.complete for exam in self.exams)

    @property
    def urgent(self) -> bool:
        return any(exam.urgency == 0 for exam in self.exams)

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset(m for exam in self.exams for m in exam.modality.split(",") if m)

    @property
    def reason(self) -> str:
        return self.said.reason

    @property
    def seen_hash(self) -> str | None:
        return self.said.content_hash

    @property
    def content_hash(self) -> str:
        return self.report.content_hash

    @cached_property
    def content(self) -> Content:
        return rows.content(self.session, self.report.content_hash)

    @cached_property
    def base(self) -> VersionRow | None:
        """The version the open cycle began from."""
        if not self.report.base_version:
            return None
        return self.session.get_one(VersionRow, (self.report.report_id, self.report.base_version))

    @property
    def missing(self) -> Sequence[str]:
        content = self.content
        wanted: tuple[str, ...] = ("findings", "impression")
        if self.report.cycle == ADDENDUM:
            wanted = ("addendum",)
        missing = [code for code in wanted if not content.sections.get(code, "").strip()]
        if content.positive is None and self.report.stage != "trainee":
            missing.append("positive")
        return missing

    @property
    def blocking(self) -> Sequence[Mapping[str, Any]]:
        patient, exam = self.subject
        found = findings(self.reading, self.session, self.content, patient=patient, exam=exam)
        return [each for each in found if each["severity"] == "block" and not each["overridden"]]

    @cached_property
    def subject(self) -> tuple[Patient, Exam]:
        """Patient and exam as the archive knows them now."""
        return subject(self.reading, self.session, self.exams)

    @cached_property
    def first_signature(self) -> SignatureRow | None:
        """The one that stands in the open cycle."""
        return _first_signature(self.session, self.report)

    @property
    def identity_matches(self) -> bool:
        first = self.first_signature
        if first is None:
            return False
        patient, exam = rows.snapshot_of(first.payload)
        now_patient, now_exam = self.subject
        return (
            patient == now_patient
            and (exam.accession, exam.study_uids) == (now_exam.accession, now_exam.study_uids)
            and self._are_of(now_patient)
        )

    def _are_of(self, patient: Patient) -> bool:
        """Whether all studies are this patient's: each exam of several may be corrected to be
        another's (only the first gives the report its patient)."""
        for uids in rows.studies_of(self.session, self.exams).values():
            for uid in uids:
                facts = study_facts(self.reading.archive, self.reading.desk, uid)
                if facts is not None and (facts.patient.patient_id, facts.patient.issuer) != (
                    patient.patient_id,
                    patient.issuer,
                ):
                    return False
        return True

    @property
    def unseen_images(self) -> str:
        late = late_images(self.reading, self.session, self.report)
        if late is None or self.said.images_seen == rfc3339(late):
            return ""
        return rfc3339(late)

    @cached_property
    def request(self) -> AmendmentRequestRow | None:
        row = self.session.get(AmendmentRequestRow, self.said.request_id)
        return row if row is not None and row.report_id == self.report.report_id else None

    @property
    def request_accepted(self) -> bool:
        request = self.request
        return request is not None and request.decision == "accepted" and not request.used

    @property
    def images_opened(self) -> bool:
        """REP-23: the images are read again, unless only data or form were wrong: opened since the
        change was asked for, or in the session that signs (of a session's views of a study the
        audit has the first at once, the others later as a number)."""
        request = self.session.get(AmendmentRequestRow, self.report.request_id)
        if request is not None and request.kind in ("demographic", "format"):
            return True
        since = request.requested_at if request is not None else self.report.cycle_opened_at
        session_id = self.reading.caller.session_id or "none"
        studies = [
            uid for each in rows.studies_of(self.session, self.exams).values() for uid in each
        ]
        return (
            self.session.scalars(
                sa.select(AuditRow.seq)
                .where(
                    AuditRow.action == VIEWED,
                    AuditRow.subject.in_(studies),
                    AuditRow.person_id == self.actor.person_id,
                    AuditRow.outcome == "success",
                    (AuditRow.at >= rfc3339(since)) | (AuditRow.session_id == session_id),
                )
                .limit(1)
            ).first()
            is not None
        )

    @property
    def differs(self) -> bool:
        return self.base is None or self.base.content_hash != self.report.content_hash

    @property
    def base_carried(self) -> bool:
        if self.report.cycle in ("", CORRECTION) or self.base is None:
            return True
        before = rows.content(self.session, self.base.content_hash)
        return carries(before, self.content)


def _first_signature(session: Session, report: ReportRow) -> SignatureRow | None:
    if not report.signer:
        return None
    return session.scalars(
        sa.select(SignatureRow)
        .where(
            SignatureRow.report_id == report.report_id,
            SignatureRow.round == report.round,
            SignatureRow.person_id == report.signer,
        )
        .order_by(SignatureRow.version.desc())
        .limit(1)
    ).one()


def late_images(reading: Reading, session: Session, report: ReportRow) -> datetime | None:
    """When the last image of a report's exams came or changed, if that was after its text was
    issued, or first signed, or before that begun, handed on or returned."""
    if report.stage == UNREAD or report.stage in ENDED:
        return None
    if report.stage == IDLE:
        issued = (report.report_id, report.current_version)
        since = session.get_one(VersionRow, issued).issued_at
    elif (signature := _first_signature(session, report)) is not None:
        since = signature.signed_at
    else:
        since = session.scalars(
            sa.select(RevisionRow.at)
            .where(
                RevisionRow.report_id == report.report_id,
                RevisionRow.branch == "main",
                RevisionRow.action != "save",
            )
            .order_by(RevisionRow.rev.desc())
            .limit(1)
        ).one()
    studies = rows.studies_of(session, rows.exams_of(session, report.report_id))
    uids = [uid for each in studies.values() for uid in each]
    last = images_changed_at(reading.archive, uids)
    return last if last is not None and last > since else None


def subject(reading: Reading, session: Session, exams: Sequence[ExamRow]) -> tuple[Patient, Exam]:
    """Whom and what these exams are about, as the archive says now."""
    studies = rows.studies_of(session, exams)
    known = rows.exam_of(exams, studies)
    for study_uid in studies[exams[0].exam_id]:
        facts = study_facts(reading.archive, reading.desk, study_uid)
        if facts is not None:
            return facts.patient, replace(known, accession=facts.accession)
    # It has been deleted: what was known of it stands.
    return rows.patient_of(exams[0]), known


def findings(
    reading: Reading, session: Session, content: Content, *, patient: Patient, exam: Exam
) -> list[dict[str, Any]]:
    """What the self-check finds, with whether the text overrides it."""
    context = context_of(session, reading.archive, content, patient=patient, exam=exam)
    return [
        {**asdict(each), "overridden": bool(content.overrides.get(each.rule, "").strip())}
        for each in check(content, patient=patient, exam=exam, context=context)
    ]


def carries(before: Content, after: Content) -> bool:
    """Whether an addendum leaves what was issued as it was, and adds to its own section only."""
    if not after.sections.get("addendum", "").startswith(before.sections.get("addendum", "")):
        return False
    kept = {code: text for code, text in before.sections.items() if code != "addendum"}
    now = {code: text for code, text in after.sections.items() if code != "addendum"}
    return {c: t for c, t in kept.items() if t} == {c: t for c, t in now.items() if t} and replace(
        before, sections={}, difficult=False, overrides={}, template=""
    ) == replace(after, sections={}, difficult=False, overrides={}, template="")
