"""The second factor: time-based one-time passwords (RFC 6238), as authenticator programs show them.

A code is 6 digits, of 30 seconds, by SHA-1, which is what those programs know. One step before and
after is allowed for clocks that differ (§5.2), and no code twice: the step of the last one that was
taken is kept, and only later ones are.
"""

import hmac

import pyotp

from dicomweb_server.access.tables import AccountRow
from dicomweb_server.records.secret import Secret

STEP_S = 30
ISSUER = "dicomweb-server"
_PURPOSE = "second factor"


def propose(row: AccountRow, secret: Secret) -> tuple[str, str]:
    """A new shared secret, in effect once a code of it was shown: in Base32, and as the URI that
    programs read from a QR code."""
    shared = pyotp.random_base32()
    row.totp_sealed = secret.sealed(shared.encode(), purpose=_PURPOSE)
    row.totp_enrolled_at = None
    row.totp_last_step = 0
    return shared, pyotp.TOTP(shared).provisioning_uri(name=row.login, issuer_name=ISSUER)


def is_right(row: AccountRow, secret: Secret, code: str, *, at_s: float) -> bool:
    """Whether this is a code of now that has not been used; from then on it has been.

    at_s  seconds since 1970
    """
    if row.totp_sealed is None:
        return False
    shared = secret.opened(row.totp_sealed, purpose=_PURPOSE).decode()
    one_time = pyotp.TOTP(shared)
    code = code.replace(" ", "")
    now = int(at_s // STEP_S)
    for step in (now - 1, now, now + 1):
        right = hmac.compare_digest(one_time.generate_otp(step).encode(), code.encode())
        if right and step > row.totp_last_step:
            row.totp_last_step = step
            return True
    return False
