"""Templates, phrases."""

import sqlalchemy as sa
from alembic import op

from dicomweb_server.records.append_only import make_append_only

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    op.create_table(
        "templates",
        sa.Column("template_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("body_part", sa.String(64), nullable=False),
        sa.Column("procedure", sa.String(64), nullable=False),
        sa.Column("sections", sa.Text, nullable=False),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("written_by", sa.String(200), nullable=False),
        sa.Column("written_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("status IN ('DRAFT', 'ACTIVE', 'RETIRED')", name="status"),
    )
    op.create_table(
        "phrases",
        sa.Column("phrase_id", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("shortcut", sa.String(40), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("section", sa.String(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("modality", sa.String(16), nullable=False),
        sa.Column("body_part", sa.String(64), nullable=False),
        sa.Column("written_by", sa.String(200), nullable=False),
        sa.Column("written_us", sa.BigInteger, nullable=False),
        sa.CheckConstraint("status IN ('ACTIVE', 'RETIRED')", name="status"),
    )
    make_append_only(op.get_bind(), "templates", "phrases")
