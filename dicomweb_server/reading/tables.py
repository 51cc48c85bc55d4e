"""Rows of exams, reports and what is written and signed (migration 0002).

`ReportRow` is the one mutable record of a report; revisions, contents, versions, signatures and
annotations are append-only, by triggers. Persons are person_ids; "" is nobody.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dicomweb_server.records.database import Base
from dicomweb_server.records.moments import Instant

ID = sa.String(36)
UID = sa.String(64)
DIGEST = sa.String(64)


class ExamRow(Base):
    """One examination: an accession number of an issuer for a patient, or a study without one."""

    __tablename__ = "exams"
    __table_args__ = (
        sa.UniqueConstraint("key"),
        sa.Index("ix_exams_lane", "lane", "urgency", "due_at", "exam_id"),
        sa.Index("ix_exams_holder", "holder", "urgency", "due_at", "exam_id"),
        sa.Index("ix_exams_issued", "lane", "issued_at", "exam_id"),
        sa.Index("ix_exams_breach", "waits", "breach_at", "exam_id"),
        sa.Index("ix_exams_open", "complete", "last_at"),
        sa.Index("ix_exams_accession", "accession"),
    )

    exam_id: Mapped[str] = mapped_column(ID, primary_key=True)
    key: Mapped[str] = mapped_column(DIGEST)
    """SHA-256 of what makes it one exam (reading/exams.py)."""
    accession: Mapped[str] = mapped_column(sa.String(64))
    issuer: Mapped[str] = mapped_column(sa.String(400))
    patient_id: Mapped[str] = mapped_column(sa.String(400))
    patient_issuer: Mapped[str] = mapped_column(sa.String(400))
    name: Mapped[str] = mapped_column(sa.String(400))
    ideographic: Mapped[str] = mapped_column(sa.String(400))
    birth_date: Mapped[str] = mapped_column(sa.String(16))
    sex: Mapped[str] = mapped_column(sa.String(16))
    age: Mapped[str] = mapped_column(sa.String(16))
    visit: Mapped[str] = mapped_column(sa.String(100))
    modality: Mapped[str] = mapped_column(sa.String(100))
    """Those of its series, with commas."""
    body_part: Mapped[str] = mapped_column(sa.String(100))
    description: Mapped[str] = mapped_column(sa.String(400))
    performed: Mapped[str] = mapped_column(sa.String(32))
    institution: Mapped[str] = mapped_column(sa.String(400))
    requesting_service: Mapped[str] = mapped_column(sa.String(200))
    requesting_physician: Mapped[str] = mapped_column(sa.String(200))
    reason: Mapped[str] = mapped_column(sa.String(1000))
    searched: Mapped[str] = mapped_column(sa.String(2000))
    """What a worklist's filter looks in: names, numbers, description, in lower case."""
    first_at: Mapped[datetime] = mapped_column(Instant)
    last_at: Mapped[datetime] = mapped_column(Instant)
    """When its last image arrived."""
    complete: Mapped[bool] = mapped_column()
    completed_at: Mapped[datetime | None] = mapped_column(Instant)
    completed_by: Mapped[str] = mapped_column(sa.String(64))
    """"mpps", "quiet", "confirmed", "commitment", or the person who said so."""
    completed_reason: Mapped[str] = mapped_column(sa.String(1000))
    urgency: Mapped[int] = mapped_column()
    """0 urgent, 1 routine: worklists begin with the lower."""
    due_at: Mapped[datetime] = mapped_column(Instant)
    """By when the report is wanted; of an exam that is not complete, as if it were so now."""
    breach_at: Mapped[datetime] = mapped_column(Instant)
    """From when on it is overdue."""
    lane: Mapped[str] = mapped_column(sa.String(16))
    """Which worklist it is on: unread, reading, review, issued; none: a cancelled report's."""
    waits: Mapped[bool] = mapped_column()
    """Complete, and nothing issued."""
    holder: Mapped[str] = mapped_column(ID)
    issued_at: Mapped[datetime | None] = mapped_column(Instant)


class ExamStudyRow(Base):
    """A study belongs to one exam."""

    __tablename__ = "exam_studies"

    study_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    exam_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("exams.exam_id"), index=True)


class FeedMarkRow(Base):
    """How far a reader of the archive's change feed has come, moved in the transaction of what it
    did up to there."""

    __tablename__ = "feed_marks"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    sequence: Mapped[int] = mapped_column(sa.BigInteger)


class ReportRow(Base):
    """Where a report stands (reading/state.py): changed by compare-and-swap on `rev` only."""

    __tablename__ = "reports"
    __table_args__ = (sa.Index("ix_reports_created", "created_at", "report_id"),)

    report_id: Mapped[str] = mapped_column(ID, primary_key=True)
    rev: Mapped[int] = mapped_column()
    """Of the last revision on the main branch: one for each save and each transition."""
    content_hash: Mapped[str] = mapped_column(DIGEST)
    stage: Mapped[str] = mapped_column(sa.String(16))
    status: Mapped[str] = mapped_column(sa.String(16), index=True)
    cycle: Mapped[str] = mapped_column(sa.String(16))
    holder: Mapped[str] = mapped_column(ID)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    author: Mapped[str] = mapped_column(ID)
    signer: Mapped[str] = mapped_column(ID)
    difficult: Mapped[bool] = mapped_column()
    released: Mapped[bool] = mapped_column()
    current_version: Mapped[int] = mapped_column()
    base_version: Mapped[int] = mapped_column()
    reviewer: Mapped[str] = mapped_column(ID)
    reviewer_rank: Mapped[int] = mapped_column()
    recall_by: Mapped[str] = mapped_column(ID)
    recall_rank: Mapped[int] = mapped_column()
    exceptions: Mapped[str] = mapped_column(sa.String(400))
    """With commas."""
    round: Mapped[int] = mapped_column()
    """Grows when a first signature is superseded: withdrawn, returned, rejected, abandoned."""
    reason: Mapped[str] = mapped_column(sa.Text)
    """Why the open correction or the recall was begun."""
    request_id: Mapped[str] = mapped_column(ID)
    """The amendment request that the open correction answers."""
    cycle_opened_at: Mapped[datetime] = mapped_column(Instant)
    returned_by: Mapped[str] = mapped_column(ID)
    returned_at: Mapped[datetime | None] = mapped_column(Instant)
    returned_reason: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    """No time that is written later in this report is before it (I10)."""


class ReportExamRow(Base):
    """What a report is about. One live report an exam (I5), by a partial unique index."""

    __tablename__ = "report_exams"
    __table_args__ = (
        sa.Index(
            "ux_report_exams_live",
            "exam_id",
            unique=True,
            sqlite_where=sa.text("live"),
            postgresql_where=sa.text("live"),
        ),
    )

    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"), primary_key=True)
    exam_id: Mapped[str] = mapped_column(
        ID, sa.ForeignKey("exams.exam_id"), primary_key=True, index=True
    )
    position: Mapped[int] = mapped_column()
    live: Mapped[bool] = mapped_column()


class ContentRow(Base):
    """A text, by its digest; append-only."""

    __tablename__ = "contents"

    content_hash: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    document: Mapped[str] = mapped_column(sa.Text)
    """Canonical JSON (RFC 8785)."""


class RevisionRow(Base):
    """One step of a report; append-only. On a branch `conflict:<person>` are texts that came too
    late to be saved and were kept."""

    __tablename__ = "revisions"
    __table_args__ = (sa.UniqueConstraint("report_id", "branch", "rev"),)

    revision_id: Mapped[str] = mapped_column(ID, primary_key=True)
    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"))
    branch: Mapped[str] = mapped_column(sa.String(48))
    rev: Mapped[int] = mapped_column()
    action: Mapped[str] = mapped_column(sa.String(32))
    stage: Mapped[str] = mapped_column(sa.String(16))
    """After it."""
    author: Mapped[str] = mapped_column(ID)
    at: Mapped[datetime] = mapped_column(Instant)
    base_rev: Mapped[int] = mapped_column()
    content_hash: Mapped[str] = mapped_column(DIGEST, sa.ForeignKey("contents.content_hash"))
    reason: Mapped[str] = mapped_column(sa.Text)


class HandledRow(Base):
    """A conflict whose author has said that it is settled; append-only, as the text stays."""

    __tablename__ = "handled_conflicts"

    revision_id: Mapped[str] = mapped_column(
        ID, sa.ForeignKey("revisions.revision_id"), primary_key=True
    )
    person_id: Mapped[str] = mapped_column(ID)
    at: Mapped[datetime] = mapped_column(Instant)


class VersionRow(Base):
    """What was issued, for ever; append-only."""

    __tablename__ = "versions"

    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    base_version: Mapped[int] = mapped_column()
    rev: Mapped[int] = mapped_column()
    content_hash: Mapped[str] = mapped_column(DIGEST, sa.ForeignKey("contents.content_hash"))
    snapshot: Mapped[str] = mapped_column(sa.Text)
    """Patient and exam as they were signed: canonical JSON."""
    author: Mapped[str] = mapped_column(ID)
    reason: Mapped[str] = mapped_column(sa.Text)
    exceptions: Mapped[str] = mapped_column(sa.String(400))
    issued_at: Mapped[datetime] = mapped_column(Instant, index=True)


class SignatureRow(Base):
    """A signature, superseded or not; append-only. `payload` is what was signed, byte for byte."""

    __tablename__ = "signatures"
    __table_args__ = (sa.UniqueConstraint("report_id", "version", "round", "person_id"),)

    signature_id: Mapped[str] = mapped_column(ID, primary_key=True)
    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"))
    version: Mapped[int] = mapped_column()
    round: Mapped[int] = mapped_column()
    role: Mapped[str] = mapped_column(sa.String(16))
    person_id: Mapped[str] = mapped_column(ID)
    account_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str] = mapped_column(sa.String(200))
    rank: Mapped[int] = mapped_column()
    licence: Mapped[str] = mapped_column(sa.String(64))
    identity_id: Mapped[str] = mapped_column(ID)
    algorithm: Mapped[str] = mapped_column(sa.String(40))
    payload: Mapped[str] = mapped_column(sa.Text)
    covered: Mapped[str] = mapped_column(DIGEST)
    value: Mapped[str] = mapped_column(sa.Text)
    certificate: Mapped[str] = mapped_column(sa.Text)
    signed_at: Mapped[datetime] = mapped_column(Instant)


class VersionSignatureRow(Base):
    """Whose signatures a version issued with: of different persons (I1), by its key."""

    __tablename__ = "version_signatures"
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["report_id", "version"], ["versions.report_id", "versions.version"]
        ),
    )

    report_id: Mapped[str] = mapped_column(ID, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ID, primary_key=True, index=True)
    position: Mapped[int] = mapped_column()
    signature_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("signatures.signature_id"))


class AnnotationRow(Base):
    """A signed remark on an issued version (REP-28); append-only. The signature is of its own: a
    person may make several, and the report's content stays what it is."""

    __tablename__ = "annotations"

    annotation_id: Mapped[str] = mapped_column(ID, primary_key=True)
    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"), index=True)
    version: Mapped[int] = mapped_column()
    text: Mapped[str] = mapped_column(sa.Text)
    person_id: Mapped[str] = mapped_column(ID)
    name: Mapped[str] = mapped_column(sa.String(200))
    rank: Mapped[int] = mapped_column()
    licence: Mapped[str] = mapped_column(sa.String(64))
    identity_id: Mapped[str] = mapped_column(ID)
    algorithm: Mapped[str] = mapped_column(sa.String(40))
    payload: Mapped[str] = mapped_column(sa.Text)
    covered: Mapped[str] = mapped_column(DIGEST)
    value: Mapped[str] = mapped_column(sa.Text)
    certificate: Mapped[str] = mapped_column(sa.Text)
    signed_at: Mapped[datetime] = mapped_column(Instant)


class AmendmentRequestRow(Base):
    """Somebody wants an issued report changed (T15), and what was decided (T16)."""

    __tablename__ = "amendment_requests"

    request_id: Mapped[str] = mapped_column(ID, primary_key=True)
    report_id: Mapped[str] = mapped_column(ID, sa.ForeignKey("reports.report_id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    text: Mapped[str] = mapped_column(sa.Text)
    requester: Mapped[str] = mapped_column(sa.String(200))
    requested_by: Mapped[str] = mapped_column(ID)
    requested_at: Mapped[datetime] = mapped_column(Instant)
    decision: Mapped[str] = mapped_column(sa.String(16))
    """"" while it is open, accepted, declined."""
    decided_by: Mapped[str] = mapped_column(ID)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(sa.Text)
    used: Mapped[bool] = mapped_column()
    """A correction or addendum was opened for it."""


class IdempotencyRow(Base):
    """What a request with an Idempotency-Key was answered, kept for 24 hours."""

    __tablename__ = "idempotency_keys"

    asked_by: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(DIGEST)
    answer: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime] = mapped_column(Instant, index=True)
