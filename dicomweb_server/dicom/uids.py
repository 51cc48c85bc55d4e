"""Which strings are UIDs (PS3.5 §9.1), for what comes in a file, a request or a path.

Strict where it is dangerous or ambiguous: digits and dots only, no empty component, at most 64
characters, so that a UID is safe in a path, a URL and a key. Tolerant where real files are: a
component may begin with zeros (PS3.5 forbids it), and it stays as it is, for `1.02` and `1.2` are
two names. Padding at the end, NUL as PS3.5 asks or a space as some write, does not count.
"""

import re
from uuid import uuid4

from dicomweb_server.dicom.errors import Malformed

MAX_LENGTH = 64

NON_PATIENT_OBJECTS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.200.1",  # CT Defined Procedure Protocol
        "1.2.840.10008.5.1.4.1.1.200.3",  # Protocol Approval
        "1.2.840.10008.5.1.4.1.1.200.7",  # XA Defined Procedure Protocol
        "1.2.840.10008.5.1.4.1.1.201.1",  # Inventory
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.39.1",  # Color Palette
        "1.2.840.10008.5.1.4.43.1",  # Generic Implant Template
        "1.2.840.10008.5.1.4.44.1",  # Implant Assembly Template
        "1.2.840.10008.5.1.4.45.1",  # Implant Template Group
    }
)
"""Storage SOP classes whose instances are of no patient and in no study (PS3.4 Table GG.3-1)."""

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """Whether `text`, padding already gone, can name something."""
    return len(text) <= MAX_LENGTH and _UID.fullmatch(text) is not None


def new_uid() -> str:
    """A UID nobody else has (PS3.5 §B.2)."""
    return f"2.25.{uuid4().int}"


def checked_uid(where: str, text: str) -> str:
    """`text` without its padding. Raises Malformed, naming `where` and what is wrong with it."""
    uid = text.rstrip("\0 ")
    if not uid:
        raise Malformed(where, "is missing or empty, it must be a UID (PS3.5 §9.1)")
    if len(uid) > MAX_LENGTH:
        raise Malformed(where, f"has {len(uid)} characters, a UID has at most {MAX_LENGTH}")
    if not is_uid(uid):
        raise Malformed(where, f"is {uid!r}, a UID is digits and dots (PS3.5 §9.1)")
    return uid
