"""Signatures: what is signed, how, and whether one is good (REPORTS 4.7).

Signed is canonical JSON (RFC 8785) of the report, the version it is to be, the digest of the
version it rests on, patient and exam, the digest of the content that the signer saw, who signs as
what, and when. A second signature also covers the first. The bytes are kept as they were signed.

The driver `local` signs by ECDSA P-256 with SHA-256 (FIPS 186-5) and the key of the person's
signing identity, which lies sealed in the records: for departments without tokens of an authority.
Another driver (a token at the client, a signing service of an authority) is another `Signer`.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from dicomweb_server.access.signing_identities import SEALED_FOR
from dicomweb_server.access.tables import SigningIdentityRow
from dicomweb_server.reading.content import Exam, Patient
from dicomweb_server.reading.errors import Refused
from dicomweb_server.records.moments import rfc3339
from dicomweb_server.records.secret import Secret


@dataclass(frozen=True, slots=True)
class Signed:
    """covered is SHA-256 of what was signed, in hexadecimal; value is base64."""

    algorithm: str
    covered: str
    value: str
    certificate: str


class Signer(Protocol):
    """A driver."""

    algorithm: str

    def sign(self, payload: bytes, identity: SigningIdentityRow, secret: Secret) -> Signed:
        """Raises Refused when the identity cannot."""

    def is_good(self, payload: bytes, *, value: str, certificate: str) -> bool:
        """Whether `value` is a signature of `payload` by whom `certificate` belongs to."""


class LocalSigner:
    """See the module."""

    algorithm = "ecdsa-p256-sha256"

    def sign(self, payload: bytes, identity: SigningIdentityRow, secret: Secret) -> Signed:
        if identity.private_key_sealed is None:
            raise Refused("signing-identity-not-approved", "the identity has no key here")
        plain = secret.opened(identity.private_key_sealed, purpose=SEALED_FOR)
        key = load_der_private_key(plain, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        value = key.sign(payload, ec.ECDSA(SHA256()))
        return Signed(
            self.algorithm,
            hashlib.sha256(payload).hexdigest(),
            base64.b64encode(value).decode(),
            identity.certificate,
        )

    def is_good(self, payload: bytes, *, value: str, certificate: str) -> bool:
        try:
            pem = certificate.encode()
            if b"BEGIN CERTIFICATE" in pem:
                key: Any = load_pem_x509_certificate(pem).public_key()
            else:
                key = load_pem_public_key(pem)
            if not isinstance(key, ec.EllipticCurvePublicKey):
                return False
            key.verify(base64.b64decode(value, validate=True), payload, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


SIGNERS: Mapping[str, Signer] = {"local": LocalSigner()}
"""By the driver that an identity names."""

BY_ALGORITHM: Mapping[str, Signer] = {each.algorithm: each for each in SIGNERS.values()}


def payload(
    *,
    report_id: str,
    version: int,
    kind: str,
    base_hash: str,
    patient: Patient,
    exam: Exam,
    content_hash: str,
    role: str,
    person_id: str,
    name: str,
    rank: int,
    licence: str,
    at: datetime,
    first: str = "",
    text: str = "",
) -> bytes:
    """What is signed.

    base_hash  digest of the content of the version this one rests on, "" for none
    first      what the first signature covers, "" in the first
    text       of an annotation
    """
    return rfc8785.dumps(
        {
            "report_id": report_id,
            "version": version,
            "kind": kind,
            "base_hash": base_hash,
            **snapshot(patient, exam),
            "content_hash": content_hash,
            "role": role,
            "person": {"person_id": person_id, "name": name, "rank": rank, "licence": licence},
            "time": rfc3339(at),
            "first": first,
            **({"text": text} if text else {}),
        }
    )


def snapshot(patient: Patient, exam: Exam) -> dict[str, Any]:
    """Patient and exam as they are signed."""
    return {"patient": asdict(patient), "exam": asdict(exam)}


def sign(identity: SigningIdentityRow, signed: bytes, secret: Secret) -> Signed:
    """Raises Refused when no driver here is the identity's."""
    signer = SIGNERS.get(identity.driver)
    if signer is None:
        detail = f"the identity's driver {identity.driver} signs elsewhere"
        raise Refused("signing-identity-not-approved", detail)
    return signer.sign(signed, identity, secret)
