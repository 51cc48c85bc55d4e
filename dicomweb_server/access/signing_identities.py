"""Signing identities: what persons sign with, enrolled by one and approved by another (REP-18).

An identity is a certificate, or a public key alone, and the driver that signs with its private key.
Of an external signer (`driver` names it) only the public half is known here. For the driver `local`
a key pair is made at enrolment, ECDSA on P-256; its private key lies in the row, sealed by the
installation's secret (records/secret.py), so the database alone is not enough to sign.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.errors import Refused, Unknown
from dicomweb_server.access.persons import person
from dicomweb_server.access.tables import SigningIdentityRow
from dicomweb_server.records.moments import now
from dicomweb_server.records.secret import Secret

LOCAL = "local"
SEALED_FOR = "signing identity"
"""Purpose the private keys of `local` are sealed for."""

LASTS = timedelta(days=3 * 365)
"""How long an identity is good when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """approved_by  person; empty: nobody has, and nothing is signed with it"""

    id: str
    person_id: str
    driver: str
    algorithm: str
    certificate: str
    enrolled_by: str
    approved_by: str
    valid_from: datetime
    valid_to: datetime
    revoked_at: datetime | None


def signing_identities(session: Session, *, person_id: str = "") -> list[SigningIdentity]:
    """All of them, or a person's, oldest first."""
    wanted = sa.select(SigningIdentityRow).order_by(
        SigningIdentityRow.created_at, SigningIdentityRow.id
    )
    if person_id:
        wanted = wanted.where(SigningIdentityRow.person_id == person_id)
    return [_identity(row) for row in session.scalars(wanted)]


def enrol(
    session: Session,
    caller: Caller,
    *,
    person_id: str,
    driver: str = LOCAL,
    certificate: str = "",
    valid_to: datetime | None = None,
) -> SigningIdentity:
    """certificate  PEM, of a certificate or a public key; for `local` none: a key is made

    Raises Denied, Unknown and Refused.
    """
    caller.permit(Act.ACCOUNTS)
    owner = person(session, person_id)
    if owner.kind != "human":
        raise Refused("person_id", f"{owner.name} is an AI, which never signs")
    if not 1 <= len(driver) <= 40 or not driver.isprintable():
        raise Refused("driver", f"{driver[:80]!r} is no name of a driver")
    moment = now()
    ends = valid_to or moment + LASTS
    sealed = None
    if driver == LOCAL:
        if certificate:
            raise Refused("certificate", "of the driver local the key is made here")
        key = ec.generate_private_key(ec.SECP256R1())
        secret: Secret = session.info["secret"]
        plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        sealed = secret.sealed(plain, purpose=SEALED_FOR)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        certificate, algorithm = public.decode(), "ecdsa-p256-sha256"
    else:
        algorithm, ends = _read(certificate, ends)
    if ends <= moment:
        raise Refused("valid_to", f"{ends.isoformat()} is over")
    row = SigningIdentityRow(
        id=str(uuid4()),
        person_id=person_id,
        driver=driver,
        algorithm=algorithm,
        certificate=certificate,
        private_key_sealed=sealed,
        enrolled_by=caller.person_id,
        created_at=moment,
        valid_from=moment,
        valid_to=ends,
        approved_by="",
        revoked_by="",
    )
    session.add(row)
    session.flush()
    detail = {"person_id": person_id, "driver": driver, "algorithm": algorithm}
    record(session, caller, Event("signing-identity.enrol", row.id, detail=detail))
    return _identity(row)


def approve(session: Session, caller: Caller, identity_id: str) -> SigningIdentity:
    """By another person than the one that enrolled it and the one it is of. Raises Denied, Unknown
    and Refused."""
    caller.permit(Act.ACCOUNTS)
    row = _row(session, identity_id)
    if row.approved_by or row.revoked_at is not None:
        raise Refused("id", "is approved or revoked already", name="not-pending")
    if not caller.person_id:
        raise Refused("id", "a person has to approve it: sign in", name="needs-sign-in")
    if caller.person_id in (row.enrolled_by, row.person_id):
        raise Refused(
            "id",
            "who enrolled it, or is to sign with it, may not approve it: another person has to",
            name="same-person",
        )
    row.approved_by, row.approved_at = caller.person_id, now()
    record(session, caller, Event("signing-identity.approve", row.id))
    return _identity(row)


def revoke(session: Session, caller: Caller, identity_id: str, *, reason: str) -> SigningIdentity:
    """By who manages accounts, or the person it is of; what was signed stays signed. Raises Denied
    and Unknown."""
    row = _row(session, identity_id)
    if not caller.person_id or caller.person_id != row.person_id:
        caller.permit(Act.ACCOUNTS)
    if row.revoked_at is None:
        row.revoked_at, row.revoked_by = now(), caller.person_id
        detail = {"reason": reason}
        record(session, caller, Event("signing-identity.revoke", row.id, detail=detail))
    return _identity(row)


def _read(pem: str, ends: datetime) -> tuple[str, datetime]:
    """The algorithm of a certificate or public key, and the earlier of both ends."""
    try:
        if "BEGIN CERTIFICATE" in pem:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            key = certificate.public_key()
            ends = min(ends, certificate.not_valid_after_utc)
        else:
            key = load_pem_public_key(pem.encode())  # type: ignore[assignment]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("certificate", f"is no PEM of a certificate or public key: {error}") from None
    match key:
        case ec.EllipticCurvePublicKey():
            return f"ecdsa-{key.curve.name}", ends
        case rsa.RSAPublicKey():
            return f"rsa-{key.key_size}", ends
        case ed25519.Ed25519PublicKey():
            return "ed25519", ends
    raise Refused("certificate", f"holds a {type(key).__name__}, with which nothing is signed here")


def _row(session: Session, identity_id: str) -> SigningIdentityRow:
    row = session.get(SigningIdentityRow, identity_id)
    if row is None:
        raise Unknown("signing identity", identity_id)
    return row


def _identity(row: SigningIdentityRow) -> SigningIdentity:
    return SigningIdentity(
        row.id,
        row.person_id,
        row.driver,
        row.algorithm,
        row.certificate,
        row.enrolled_by,
        row.approved_by,
        row.valid_from,
        row.valid_to,
        row.revoked_at,
    )
