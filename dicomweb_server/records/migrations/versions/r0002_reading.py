"""Exams, reports, revisions, versions, signatures, amendment requests."""

import sqlalchemy as sa
from alembic import op

from dicomweb_server.records.append_only import make_append_only
from dicomweb_server.records.moments import Instant

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.create_table(
        "contents",
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name="pk_contents"),
    )
    op.create_table(
        "exams",
        sa.Column("exam_id", sa.String(36), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("accession", sa.String(64), nullable=False),
        sa.Column("issuer", sa.String(400), nullable=False),
        sa.Column("patient_id", sa.String(400), nullable=False),
        sa.Column("patient_issuer", sa.String(400), nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("ideographic", sa.String(400), nullable=False),
        sa.Column("birth_date", sa.String(16), nullable=False),
        sa.Column("sex", sa.String(16), nullable=False),
        sa.Column("age", sa.String(16), nullable=False),
        sa.Column("visit", sa.String(100), nullable=False),
        sa.Column("modality", sa.String(100), nullable=False),
        sa.Column("body_part", sa.String(100), nullable=False),
        sa.Column("description", sa.String(400), nullable=False),
        sa.Column("performed", sa.String(32), nullable=False),
        sa.Column("institution", sa.String(400), nullable=False),
        sa.Column("requesting_service", sa.String(200), nullable=False),
        sa.Column("requesting_physician", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("searched", sa.String(2000), nullable=False),
        sa.Column("first_at", Instant, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("completed_at", Instant),
        sa.Column("completed_by", sa.String(64), nullable=False),
        sa.Column("completed_reason", sa.String(1000), nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("breach_at", Instant, nullable=False),
        sa.Column("lane", sa.String(16), nullable=False),
        sa.Column("waits", sa.Boolean, nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("issued_at", Instant),
        sa.PrimaryKeyConstraint("exam_id", name="pk_exams"),
        sa.UniqueConstraint("key", name="uq_exams_key"),
    )
    op.create_index("ix_exams_accession", "exams", ["accession"])
    op.create_index("ix_exams_breach", "exams", ["waits", "breach_at", "exam_id"])
    op.create_index("ix_exams_holder", "exams", ["holder", "urgency", "due_at", "exam_id"])
    op.create_index("ix_exams_issued", "exams", ["lane", "issued_at", "exam_id"])
    op.create_index("ix_exams_lane", "exams", ["lane", "urgency", "due_at", "exam_id"])
    op.create_index("ix_exams_open", "exams", ["complete", "last_at"])
    op.create_table(
        "feed_marks",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_feed_marks"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("asked_by", sa.String(200), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("asked_by", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "reports",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("rev", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("cycle", sa.String(16), nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("lease_until", Instant),
        sa.Column("author", sa.String(36), nullable=False),
        sa.Column("signer", sa.String(36), nullable=False),
        sa.Column("difficult", sa.Boolean, nullable=False),
        sa.Column("released", sa.Boolean, nullable=False),
        sa.Column("current_version", sa.Integer, nullable=False),
        sa.Column("base_version", sa.Integer, nullable=False),
        sa.Column("reviewer", sa.String(36), nullable=False),
        sa.Column("reviewer_rank", sa.Integer, nullable=False),
        sa.Column("recall_by", sa.String(36), nullable=False),
        sa.Column("recall_rank", sa.Integer, nullable=False),
        sa.Column("exceptions", sa.String(400), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("cycle_opened_at", Instant, nullable=False),
        sa.Column("returned_by", sa.String(36), nullable=False),
        sa.Column("returned_at", Instant),
        sa.Column("returned_reason", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_reports"),
    )
    op.create_index("ix_reports_created", "reports", ["created_at", "report_id"])
    op.create_index("ix_reports_status", "reports", ["status"])
    op.create_table(
        "amendment_requests",
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("requester", sa.String(200), nullable=False),
        sa.Column("requested_by", sa.String(36), nullable=False),
        sa.Column("requested_at", Instant, nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("decided_by", sa.String(36), nullable=False),
        sa.Column("decided_at", Instant),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("used", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_amendment_requests_report_id"
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_amendment_requests"),
    )
    op.create_index("ix_amendment_requests_report_id", "amendment_requests", ["report_id"])
    op.create_table(
        "annotations",
        sa.Column("annotation_id", sa.String(36), nullable=False),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("licence", sa.String(64), nullable=False),
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.Column("algorithm", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("covered", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("signed_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_annotations_report_id"
        ),
        sa.PrimaryKeyConstraint("annotation_id", name="pk_annotations"),
    )
    op.create_index("ix_annotations_report_id", "annotations", ["report_id"])
    op.create_table(
        "exam_studies",
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("exam_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.exam_id"], name="fk_exam_studies_exam_id"),
        sa.PrimaryKeyConstraint("study_uid", name="pk_exam_studies"),
    )
    op.create_index("ix_exam_studies_exam_id", "exam_studies", ["exam_id"])
    op.create_table(
        "report_exams",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("exam_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exams.exam_id"], name="fk_report_exams_exam_id"),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_report_exams_report_id"
        ),
        sa.PrimaryKeyConstraint("report_id", "exam_id", name="pk_report_exams"),
    )
    op.create_index("ix_report_exams_exam_id", "report_exams", ["exam_id"])
    op.create_index(
        "ux_report_exams_live",
        "report_exams",
        ["exam_id"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "revisions",
        sa.Column("revision_id", sa.String(36), nullable=False),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("branch", sa.String(48), nullable=False),
        sa.Column("rev", sa.Integer, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("author", sa.String(36), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("base_rev", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["content_hash"], ["contents.content_hash"], name="fk_revisions_content_hash"
        ),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_revisions_report_id"
        ),
        sa.PrimaryKeyConstraint("revision_id", name="pk_revisions"),
        sa.UniqueConstraint("report_id", "branch", "rev", name="uq_revisions_report_id_branch_rev"),
    )
    op.create_table(
        "signatures",
        sa.Column("signature_id", sa.String(36), nullable=False),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("licence", sa.String(64), nullable=False),
        sa.Column("identity_id", sa.String(36), nullable=False),
        sa.Column("algorithm", sa.String(40), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("covered", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("signed_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id"], ["reports.report_id"], name="fk_signatures_report_id"
        ),
        sa.PrimaryKeyConstraint("signature_id", name="pk_signatures"),
        sa.UniqueConstraint(
            "report_id",
            "version",
            "round",
            "person_id",
            name="uq_signatures_report_id_version_round_person_id",
        ),
    )
    op.create_table(
        "versions",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("base_version", sa.Integer, nullable=False),
        sa.Column("rev", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("author", sa.String(36), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("exceptions", sa.String(400), nullable=False),
        sa.Column("issued_at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["content_hash"], ["contents.content_hash"], name="fk_versions_content_hash"
        ),
        sa.ForeignKeyConstraint(["report_id"], ["reports.report_id"], name="fk_versions_report_id"),
        sa.PrimaryKeyConstraint("report_id", "version", name="pk_versions"),
    )
    op.create_index("ix_versions_issued_at", "versions", ["issued_at"])
    op.create_table(
        "handled_conflicts",
        sa.Column("revision_id", sa.String(36), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revisions.revision_id"], name="fk_handled_conflicts_revision_id"
        ),
        sa.PrimaryKeyConstraint("revision_id", name="pk_handled_conflicts"),
    )
    op.create_table(
        "version_signatures",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("signature_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(
            ["report_id", "version"],
            ["versions.report_id", "versions.version"],
            name="fk_version_signatures_report_id_version",
        ),
        sa.ForeignKeyConstraint(
            ["signature_id"], ["signatures.signature_id"], name="fk_version_signatures_signature_id"
        ),
        sa.PrimaryKeyConstraint("report_id", "version", "person_id", name="pk_version_signatures"),
    )
    op.create_index("ix_version_signatures_person_id", "version_signatures", ["person_id"])
    make_append_only(
        op.get_bind(),
        "contents",
        "revisions",
        "handled_conflicts",
        "versions",
        "signatures",
        "version_signatures",
        "annotations",
    )
