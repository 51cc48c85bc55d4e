"""Exams, reading tasks, reports, revisions, versions, signatures."""

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    pass
