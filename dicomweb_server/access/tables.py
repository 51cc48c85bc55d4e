"""Rows of persons, accounts, sessions, tokens, roles, signing identities, audit (migration 1), and
of preferences (migration 5)."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from dicomweb_server.records.database import Base
from dicomweb_server.records.moments import Instant


class PersonRow(Base):
    """A human being (or an AI, which is rank 0 and never signs). Signatures compare persons, never
    accounts: one person may have several."""

    __tablename__ = "persons"

    person_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    licence: Mapped[str] = mapped_column(sa.String(64), default="")
    rank: Mapped[int] = mapped_column(default=0)
    kind: Mapped[str] = mapped_column(sa.String(16), default="human")
    """`human` or `ai`."""
    modalities: Mapped[str] = mapped_column(sa.String(400), default="")
    """What the person is qualified for, with commas; empty for any."""
    qualified_until: Mapped[date | None] = mapped_column(sa.Date)
    """The last day of the qualification; none: it does not end."""
    left_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class AccountRow(Base):
    """A login that belongs to a person."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    person_id: Mapped[str] = mapped_column(sa.String(36), sa.ForeignKey("persons.person_id"))
    login: Mapped[str] = mapped_column(sa.String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(200), default="")
    """argon2id; empty: nobody signs in by password, as for a program that has tokens."""
    totp_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """Secret of the second factor, sealed by the installation's (records/secret.py)."""
    totp_enrolled_at: Mapped[datetime | None] = mapped_column(Instant)
    """When the first code was right; before that the secret is only proposed."""
    totp_last_step: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """Time step of the last code that was taken; none up to it is taken again (RFC 6238 §5.2)."""
    roles: Mapped[str] = mapped_column(sa.String(400), default="")
    """Names, with commas."""
    disabled_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class RoleRow(Base):
    """What those may who have it."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    acts: Mapped[str] = mapped_column(sa.String(400), default="")
    """Values of `Act`, with commas; a role without any allows nothing."""


class AttemptRow(Base):
    """Failed sign-ins of one login, of one that does not exist as well: an answer tells nobody
    which logins there are."""

    __tablename__ = "sign_in_attempts"

    login: Mapped[str] = mapped_column(sa.String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime] = mapped_column(Instant, index=True)
    locked_until: Mapped[datetime | None] = mapped_column(Instant)


class SessionRow(Base):
    """Somebody is signed in; of the token only its hash is kept."""

    __tablename__ = "sessions"

    session_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """SHA-256, hexadecimal."""
    account_id: Mapped[str] = mapped_column(
        sa.String(36), sa.ForeignKey("accounts.account_id"), index=True
    )
    enrolling: Mapped[bool] = mapped_column(default=False)
    """The second factor is required and missing: only enrolling it is possible."""
    address: Mapped[str] = mapped_column(sa.String(64), default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class TokenRow(Base):
    """Of a program that acts for an account."""

    __tablename__ = "api_tokens"

    token_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    """SHA-256, hexadecimal."""
    account_id: Mapped[str] = mapped_column(
        sa.String(36), sa.ForeignKey("accounts.account_id"), index=True
    )
    name: Mapped[str] = mapped_column(sa.String(100))
    acts: Mapped[str] = mapped_column(sa.String(400))
    """Of what the account may when it is used, no more than these."""
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class SigningIdentityRow(Base):
    """What a person signs with: enrolled by one, approved by another (REP-18)."""

    __tablename__ = "signing_identities"

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    person_id: Mapped[str] = mapped_column(
        sa.String(36), sa.ForeignKey("persons.person_id"), index=True
    )
    driver: Mapped[str] = mapped_column(sa.String(40))
    """`local`, or the name of an external signer's."""
    algorithm: Mapped[str] = mapped_column(sa.String(40))
    certificate: Mapped[str] = mapped_column(sa.Text)
    """PEM: of a certificate, or of a public key alone."""
    private_key_sealed: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    """Of `local` only: PKCS #8, sealed by the installation's secret (records/secret.py)."""
    enrolled_by: Mapped[str] = mapped_column(sa.String(36))
    """Person; empty for the command line."""
    approved_by: Mapped[str] = mapped_column(sa.String(36), default="")
    """Person, another one; empty: not approved, and nothing is signed with it."""
    created_at: Mapped[datetime] = mapped_column(Instant)
    approved_at: Mapped[datetime | None] = mapped_column(Instant)
    valid_from: Mapped[datetime] = mapped_column(Instant)
    valid_to: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_by: Mapped[str] = mapped_column(sa.String(36), default="")


class PreferenceRow(Base):
    """What a person has set for the pages."""

    __tablename__ = "preferences"

    person_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    """Empty for what is set for everybody, so it refers to no row."""
    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    value: Mapped[str] = mapped_column(sa.Text)
    """JSON."""
    revision: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(Instant)


class AuditRow(Base):
    """One event; append-only. Texts are what was hashed, letter for letter."""

    __tablename__ = "audit_events"

    seq: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    at: Mapped[str] = mapped_column(sa.String(27), index=True)
    """RFC 3339 (records/moments.py)."""
    actor: Mapped[str] = mapped_column(sa.String(200), index=True)
    person_id: Mapped[str] = mapped_column(sa.String(36))
    account_id: Mapped[str] = mapped_column(sa.String(36))
    session_id: Mapped[str] = mapped_column(sa.String(80))
    address: Mapped[str] = mapped_column(sa.String(64))
    action: Mapped[str] = mapped_column(sa.String(60), index=True)
    subject: Mapped[str] = mapped_column(sa.String(400), index=True)
    outcome: Mapped[str] = mapped_column(sa.String(16))
    detail: Mapped[str] = mapped_column(sa.Text)
    """Canonical JSON (RFC 8785)."""
    hash: Mapped[str] = mapped_column(sa.String(64))
    """SHA-256 of the event with the hash before it, hexadecimal."""


class AuditHeadRow(Base):
    """The one row that says where the chain ends, under a MAC: what is cut off is missed."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(sa.BigInteger)
    hash: Mapped[str] = mapped_column(sa.String(64))
    mac: Mapped[str] = mapped_column(sa.String(64))
    """HMAC-SHA-256 of both by a key that is not in the database (records/secret.py)."""
