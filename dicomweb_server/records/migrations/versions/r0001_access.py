"""Persons, accounts, sessions, tokens, roles, signing identities, audit."""

import sqlalchemy as sa
from alembic import op

from dicomweb_server.records.append_only import make_append_only
from dicomweb_server.records.moments import Instant

revision = "0001"
down_revision: str | None = None

ROLES = {
    "administrator": "search,view,export,store,edit,delete,order,transfer,read-reports,"
    "manage-reports,templates,accounts,audit,operate",
    "radiologist": "search,view,read-reports,draft,sign,review",
    "trainee": "search,view,read-reports,draft",
    "technologist": "search,view,store,edit,order,transfer",
    "clinician": "search,view,read-reports",
    "auditor": "audit",
    "ai": "search,view,store,draft",
}
"""What a new installation has; to be changed there (PUT /api/v1/roles/{name})."""


def upgrade() -> None:
    op.create_table(
        "persons",
        sa.Column("person_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("licence", sa.String(64), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("modalities", sa.String(400), nullable=False),
        sa.Column("qualified_until", sa.Date),
        sa.Column("left_at", Instant),
        sa.Column("created_at", Instant, nullable=False),
        sa.CheckConstraint("rank BETWEEN 0 AND 4", name="rank"),
    )
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(36), primary_key=True),
        sa.Column("person_id", sa.String(36), sa.ForeignKey("persons.person_id"), nullable=False),
        sa.Column("login", sa.String(100), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("totp_sealed", sa.LargeBinary),
        sa.Column("totp_enrolled_at", Instant),
        sa.Column("totp_last_step", sa.BigInteger, nullable=False),
        sa.Column("roles", sa.String(400), nullable=False),
        sa.Column("disabled_at", Instant),
        sa.Column("created_at", Instant, nullable=False),
    )
    roles = op.create_table(
        "roles",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("acts", sa.String(400), nullable=False),
    )
    op.bulk_insert(roles, [{"name": name, "acts": acts} for name, acts in ROLES.items()])
    op.create_table(
        "sign_in_attempts",
        sa.Column("login", sa.String(100), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", Instant, nullable=False, index=True),
        sa.Column("locked_until", Instant),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(36), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column(
            "account_id",
            sa.String(36),
            sa.ForeignKey("accounts.account_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("enrolling", sa.Boolean, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False, index=True),
    )
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.String(36), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column(
            "account_id",
            sa.String(36),
            sa.ForeignKey("accounts.account_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("acts", sa.String(400), nullable=False),
        sa.Column("expires_at", Instant),
        sa.Column("revoked_at", Instant),
        sa.Column("created_at", Instant, nullable=False),
    )
    op.create_table(
        "signing_identities",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "person_id",
            sa.String(36),
            sa.ForeignKey("persons.person_id"),
            nullable=False,
            index=True,
        ),
        sa.Column("driver", sa.String(40), nullable=False),
        sa.Column("algorithm", sa.String(40), nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
        sa.Column("private_key_sealed", sa.LargeBinary),
        sa.Column("enrolled_by", sa.String(36), nullable=False),
        sa.Column("approved_by", sa.String(36), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("approved_at", Instant),
        sa.Column("valid_from", Instant, nullable=False),
        sa.Column("valid_to", Instant, nullable=False),
        sa.Column("revoked_at", Instant),
        sa.Column("revoked_by", sa.String(36), nullable=False),
        sa.CheckConstraint(
            "approved_by = '' OR approved_by <> enrolled_by",
            name="approved_by_another",
        ),
    )
    op.create_table(
        "audit_events",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("at", sa.String(27), nullable=False, index=True),
        sa.Column("actor", sa.String(200), nullable=False, index=True),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("session_id", sa.String(80), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(60), nullable=False, index=True),
        sa.Column("subject", sa.String(400), nullable=False, index=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name="one"),
    )
    make_append_only(op.get_bind(), "audit_events")
