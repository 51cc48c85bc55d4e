"""Passwords: argon2id (RFC 9106), and the time it takes for a login that is not there.

Length alone is asked for, as NIST SP 800-63B §3.1.1.2 does, and not to be the login.
"""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dicomweb_server.access.errors import Refused

SHORTEST, LONGEST = 10, 200
"""Characters; the longest so that nobody has a megabyte hashed."""

_hasher = PasswordHasher()  # argon2id; 64 MiB, 3 passes, 4 lanes: RFC 9106 §4, second choice


def hashed(password: str, *, login: str) -> str:
    """What is kept of a password. Raises Refused when it is too short, too long or the login."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(
            "password",
            f"a password has {SHORTEST} to {LONGEST} characters, this one {len(password)}",
            name="weak-password",
        )
    if password.casefold() == login.casefold():
        raise Refused("password", "the login is no password", name="weak-password")
    return _hasher.hash(password)


def matches(kept: str, password: str) -> bool:
    """Whether this is the password that was hashed; `kept` empty: never, in the same time."""
    try:
        return _hasher.verify(kept or _nobodys(), password[: LONGEST + 1]) and bool(kept)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than those of today."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash(secrets.token_hex())
