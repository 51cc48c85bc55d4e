"""What has to leave when a version is issued: rows written in the issuing transaction, delivered
afterwards by workers whose effect is the same however often they run (delivery.py)."""

import base64
import hashlib
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.reading import document_uids, issuance
from dicomweb_server.reading.content import IssuedVersion, Patient
from dicomweb_server.reading.document_uids import PDF, REJECTION, SR
from dicomweb_server.reading.emission_tables import IssuanceRow, OutboxRow

PATIENT_SAFETY = "113037"
WRONG_WORKLIST_ENTRY = "113038"
"""Why the documents of a recalled report are rejected (CID 7010): it was about the wrong patient,
or about the wrong examination."""


@dataclass(frozen=True, slots=True)
class Documents:
    """What a version has in the archive, or will have: `archived` once all of it is there."""

    sr_uid: str
    pdf_uid: str
    verification_code: str
    archived: bool


def enqueue(session: Session, issued: IssuedVersion) -> None:
    """Queues every document and delivery of `issued`, in the transaction of `session`."""
    session.add(
        IssuanceRow(
            report_id=issued.report_id,
            version=issued.version,
            kind=issued.kind,
            issued=issuance.as_json(issued),
            code=verification_code(issued),
            patient=patient_key(issued.patient),
            findings_digest=text_digest(issued.content.sections.get("findings", "")),
            issued_us=int(issued.issued_at.timestamp() * 1e6),
        )
    )
    for study_uid in issued.exam.study_uids:
        for kind in (SR, PDF):
            _queue(session, issued.report_id, issued.version, kind, study_uid)


def enqueue_rejection(session: Session, report_id: str, reason: str) -> None:
    """Queues the notes by which a recalled report's documents are rejected (T22), one a study, in
    the transaction of `session`.

    reason  PATIENT_SAFETY or WRONG_WORKLIST_ENTRY
    """
    rows = session.scalars(
        sa.select(IssuanceRow)
        .where(IssuanceRow.report_id == report_id)
        .order_by(IssuanceRow.version)
    ).all()
    last = issuance.from_json(rows[-1].issued)
    for study_uid in last.exam.study_uids:
        _queue(session, report_id, last.version, REJECTION, study_uid, reason)


def documents_of(session: Session, issued: IssuedVersion) -> Documents:
    """The documents of an issued version, those in the first study where it has several."""
    return documents(session, issued.report_id, issued.version)


def documents(session: Session, report_id: str, version: int) -> Documents:
    """As `documents_of`; all empty when nothing was issued by this number."""
    row = session.get(IssuanceRow, (report_id, version))
    if row is None:
        return Documents("", "", "", False)
    study_uid = issuance.from_json(row.issued).exam.study_uids[0]
    waiting = session.scalar(
        sa.select(sa.func.count())
        .select_from(OutboxRow)
        .where(
            OutboxRow.report_id == report_id,
            OutboxRow.version == version,
            OutboxRow.done_us.is_(None),
        )
    )
    return Documents(
        document_uids.instance_uid(report_id, version, SR, study_uid),
        document_uids.instance_uid(report_id, version, PDF, study_uid),
        row.code,
        archived=not waiting,
    )


def verification_code(issued: IssuedVersion) -> str:
    """Twenty letters and digits (100 bits) in groups of five, that say nothing and that nobody
    guesses: the report's id is random, and part of what is hashed."""
    said = "\n".join(
        (
            issued.report_id,
            str(issued.version),
            issued.content.digest,
            *(each.value for each in issued.signatures),
        )
    )
    letters = base64.b32encode(hashlib.sha256(said.encode()).digest()).decode()[:20]
    return "-".join(letters[at : at + 5] for at in range(0, 20, 5))


def patient_key(patient: Patient) -> str:
    return f"{patient.issuer}\n{patient.patient_id}"


def text_digest(text: str) -> str:
    """SHA-256 of a text without its blanks; "" of an empty one."""
    bare = "".join(text.split())
    return hashlib.sha256(bare.encode()).hexdigest() if bare else ""


def now_us() -> int:
    return time.time_ns() // 1000


def _queue(
    session: Session,
    report_id: str,
    version: int,
    kind: str,
    study_uid: str,
    reason: str = "",
) -> None:
    now = now_us()
    session.add(
        OutboxRow(
            instance_uid=document_uids.instance_uid(report_id, version, kind, study_uid),
            report_id=report_id,
            version=version,
            kind=kind,
            study_uid=study_uid,
            reason=reason,
            queued_us=now,
            due_us=now,
            tries=0,
            failure="",
        )
    )
