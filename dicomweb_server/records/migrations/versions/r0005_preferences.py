"""What persons have set for the pages, and what is set for everybody."""

import sqlalchemy as sa
from alembic import op

from dicomweb_server.records.moments import Instant

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    op.create_table(
        "preferences",
        sa.Column("person_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
    )
