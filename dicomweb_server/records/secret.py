"""The secret of an installation: 32 random bytes in `records.key` of the data directory, mode 0600.

It never lies in the database, so who has only the database cannot make an audit trail that
verifies (access/audit.py) nor read what is kept encrypted in it (second factors, private keys). It
belongs into a backup, apart from the database's: without it second factors have to be enrolled
anew and the audit cannot be verified. From it each use gets a key of its own (HKDF, RFC 5869).
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dicomweb_server.records.errors import RecordsUnavailable

FILE = "records.key"
_BYTES = 32
_NONCE_BYTES = 12


class Secret:
    """See the module."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._keys: dict[str, bytes] = {}

    def key(self, purpose: str) -> bytes:
        """32 bytes for this use alone."""
        if purpose not in self._keys:
            derivation = HKDF(SHA256(), length=_BYTES, salt=None, info=purpose.encode())
            self._keys[purpose] = derivation.derive(self._value)
        return self._keys[purpose]

    def sealed(self, plain: bytes, *, purpose: str) -> bytes:
        """`plain` encrypted (AES-256-GCM), to be opened with the same purpose only."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.key(purpose)).encrypt(nonce, plain, None)

    def opened(self, sealed: bytes, *, purpose: str) -> bytes:
        """What was sealed. Raises RecordsUnavailable when it was with another secret."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self.key(purpose)).decrypt(nonce, rest, None)
        except InvalidTag:
            raise RecordsUnavailable(
                f"what {FILE} is needed for cannot be read: it is not the file it was sealed with"
            ) from None


def new_secret() -> Secret:
    """One that lives as long as the process."""
    return Secret(secrets.token_bytes(_BYTES))


def secret_of(directory: Path) -> Secret:
    """The secret in `directory`, made when there is none; of several processes that start
    together the first one's."""
    file = directory / FILE
    if not file.exists():
        unfinished = directory / f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(secrets.token_bytes(_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            with suppress(FileExistsError):
                file.hardlink_to(unfinished)
        finally:
            unfinished.unlink()
    value = file.read_bytes()
    if len(value) != _BYTES:
        raise RecordsUnavailable(f"{file} holds {len(value)} bytes, a secret has {_BYTES}")
    return Secret(value)
