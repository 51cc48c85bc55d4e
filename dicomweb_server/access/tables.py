"""Rows of persons and accounts (migration 0001)."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dicomweb_server.records.database import Base


class PersonRow(Base):
    """A human being (or an AI, which is rank 0 and never signs). Signatures compare persons, never
    accounts: one person may have several."""

    __tablename__ = "persons"

    person_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    licence: Mapped[str] = mapped_column(sa.String(64), default="")
    rank: Mapped[int] = mapped_column(default=0)
    kind: Mapped[str] = mapped_column(sa.String(16), default="human")
    modalities: Mapped[str] = mapped_column(sa.String(400), default="")
    """What the person is qualified for, with commas; empty for any."""
    qualified_until: Mapped[date | None] = mapped_column(sa.Date)
    left_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


class AccountRow(Base):
    """A login that belongs to a person."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    person_id: Mapped[str] = mapped_column(sa.ForeignKey("persons.person_id"))
    login: Mapped[str] = mapped_column(sa.String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    totp_secret: Mapped[str] = mapped_column(sa.String(64), default="")
    totp_last_step: Mapped[int] = mapped_column(default=0)
    roles: Mapped[str] = mapped_column(sa.String(400), default="")
    disabled_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
