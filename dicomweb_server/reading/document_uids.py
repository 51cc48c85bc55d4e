"""UIDs of the documents made of reports: the same document has the same UID however often it is
made, so that a delivery that is repeated makes no second object."""

import hashlib

SR = "sr"
PDF = "pdf"
REJECTION = "rejection"
"""Kinds of documents."""


def instance_uid(report_id: str, version: int, kind: str, study_uid: str) -> str:
    """SOP Instance UID of the document of `kind` that a version has in a study."""
    return _uid("instance", report_id, str(version), kind, study_uid)


def series_uid(report_id: str, kind: str, study_uid: str) -> str:
    """Of the series that holds every version's document of `kind` in a study."""
    return _uid("series", report_id, kind, study_uid)


def _uid(*parts: str) -> str:
    """PS3.5 §B.2 with 128 bits of SHA-256; no part holds a newline."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
