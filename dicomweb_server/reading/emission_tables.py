"""Rows of what leaves: what was issued, what waits to be made of it, what was made (0004).

Times are microseconds since 1970, UTC.
"""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dicomweb_server.records.database import Base


class IssuanceRow(Base):
    """A version as it was issued, whole: what its documents are made of, for ever. Append-only.

    kind             of the version: original, preliminary, ...
    issued           an IssuedVersion as JSON (issuance.py)
    code             by which anybody may verify a printed copy
    patient          issuer and number of the patient
    findings_digest  SHA-256 of the findings' text without blanks: for rule copied-forward
    """

    __tablename__ = "issuances"

    report_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))
    issued: Mapped[str] = mapped_column(sa.Text)
    code: Mapped[str] = mapped_column(sa.String(32), unique=True)
    patient: Mapped[str] = mapped_column(sa.String(200))
    findings_digest: Mapped[str] = mapped_column(sa.String(64), index=True)
    issued_us: Mapped[int] = mapped_column(sa.BigInteger)


class OutboxRow(Base):
    """One document that has to be made and stored.

    instance_uid  of the document: each is queued once
    reason        of a rejection: a code of CID 7011 or 7010
    due_us        when it is tried next
    failure       why the last try failed; with `done_us` empty and many tries, a poison row
    """

    __tablename__ = "outbox"

    instance_uid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    report_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(16))
    study_uid: Mapped[str] = mapped_column(sa.String(64))
    reason: Mapped[str] = mapped_column(sa.String(16), default="")
    queued_us: Mapped[int] = mapped_column(sa.BigInteger)
    due_us: Mapped[int] = mapped_column(sa.BigInteger)
    tries: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str] = mapped_column(sa.Text, default="")
    done_us: Mapped[int | None] = mapped_column(sa.BigInteger)


class EmittedRow(Base):
    """A document that is in the archive. Append-only.

    sha256       of the PDF, or of the SR's or rejection note's Part 10 file
    file_sha256  of the Part 10 file
    """

    __tablename__ = "emitted"

    instance_uid: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    report_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(16))
    study_uid: Mapped[str] = mapped_column(sa.String(64))
    series_uid: Mapped[str] = mapped_column(sa.String(64))
    sop_class_uid: Mapped[str] = mapped_column(sa.String(64))
    sha256: Mapped[str] = mapped_column(sa.String(64))
    file_sha256: Mapped[str] = mapped_column(sa.String(64))
    length: Mapped[int] = mapped_column(sa.BigInteger)
    emitted_us: Mapped[int] = mapped_column(sa.BigInteger)
