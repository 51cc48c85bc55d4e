"""Persons, accounts, sessions, tokens, roles, audit."""

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    pass
