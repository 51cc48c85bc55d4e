"""The outbox and what was emitted."""

import sqlalchemy as sa
from alembic import op

from dicomweb_server.records.append_only import make_append_only

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    op.create_table(
        "issuances",
        sa.Column("report_id", sa.String(36), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("issued", sa.Text, nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("patient", sa.String(200), nullable=False),
        sa.Column("findings_digest", sa.String(64), nullable=False),
        sa.Column("issued_us", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("code", name="uq_issuances_code"),
    )
    op.create_index("ix_issuances_findings_digest", "issuances", ["findings_digest"])
    op.create_table(
        "outbox",
        sa.Column("instance_uid", sa.String(64), primary_key=True),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("queued_us", sa.BigInteger, nullable=False),
        sa.Column("due_us", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=False),
        sa.Column("done_us", sa.BigInteger),
    )
    op.create_index("ix_outbox_report_id", "outbox", ["report_id"])
    # What waits is few rows of many: only they are in this index.
    waiting = sa.text("done_us IS NULL")
    op.create_index(
        "ix_outbox_waiting", "outbox", ["due_us"], sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "emitted",
        sa.Column("instance_uid", sa.String(64), primary_key=True),
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("study_uid", sa.String(64), nullable=False),
        sa.Column("series_uid", sa.String(64), nullable=False),
        sa.Column("sop_class_uid", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("emitted_us", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_emitted_report_id", "emitted", ["report_id"])
    make_append_only(op.get_bind(), "issuances", "emitted")
