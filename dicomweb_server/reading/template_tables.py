"""Rows of templates and phrases (0003). Append-only: a change is a new version, and what a report
was begun from stays what it was. Times are microseconds since 1970, UTC."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dicomweb_server.records.database import Base


class TemplateRow(Base):
    """sections  texts by section, JSON;  fields  a list, JSON"""

    __tablename__ = "templates"

    template_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(8))
    language: Mapped[str] = mapped_column(sa.String(16))
    title: Mapped[str] = mapped_column(sa.String(200))
    modality: Mapped[str] = mapped_column(sa.String(16))
    body_part: Mapped[str] = mapped_column(sa.String(64))
    procedure: Mapped[str] = mapped_column(sa.String(64))
    sections: Mapped[str] = mapped_column(sa.Text)
    fields: Mapped[str] = mapped_column(sa.Text)
    written_by: Mapped[str] = mapped_column(sa.String(200))
    written_us: Mapped[int] = mapped_column(sa.BigInteger)


class PhraseRow(Base):
    __tablename__ = "phrases"

    phrase_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(sa.String(8))
    language: Mapped[str] = mapped_column(sa.String(16))
    shortcut: Mapped[str] = mapped_column(sa.String(40))
    title: Mapped[str] = mapped_column(sa.String(200))
    section: Mapped[str] = mapped_column(sa.String(32))
    text: Mapped[str] = mapped_column(sa.Text)
    modality: Mapped[str] = mapped_column(sa.String(16))
    body_part: Mapped[str] = mapped_column(sa.String(64))
    written_by: Mapped[str] = mapped_column(sa.String(200))
    written_us: Mapped[int] = mapped_column(sa.BigInteger)
