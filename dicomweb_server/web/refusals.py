"""What the workflow refuses, as HTTP says it: a status for each name (REPORTS 4.5).

A name is a problem's type for ever: `/problems/rank-too-low`.
"""

from collections.abc import Mapping

from dicomweb_server.reading.errors import Refused

STATUS: Mapping[str, int] = {
    "malformed": 400,
    "rank-too-low": 403,
    "same-person": 403,
    "not-issued": 403,
    "not-holder": 403,
    "not-original-reviewer": 403,
    "licence-expired": 403,
    "not-qualified": 403,
    "signing-identity-not-approved": 403,
    "person-required": 403,
    "wrong-state": 409,
    "open-cycle-exists": 409,
    "content-changed": 409,
    "identity-changed": 409,
    "lease-held": 409,
    "exam-incomplete": 409,
    "request-not-accepted": 409,
    "images-not-opened": 409,
    "images-arrived": 409,
    "nothing-changed": 409,
    "base-changed": 409,
    "senior-available": 409,
    "not-urgent": 409,
    "not-ready": 409,
    "recalled": 410,
    "stale-revision": 412,
    "qc-blocking": 422,
    "missing-field": 422,
    "idempotency-key-reused": 422,
    "if-match-required": 428,
}


def status_of(error: Refused) -> int:
    return STATUS.get(error.name, 409)
