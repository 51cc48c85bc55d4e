"""What was emitted: the documents of a version, read back and compared with what was signed off;
what a verification code stands for; what still waits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.archive.archive import Archive
from dicomweb_server.reading import document_uids, issuance
from dicomweb_server.reading.content import IssuedVersion, Patient
from dicomweb_server.reading.delivery import stored_file
from dicomweb_server.reading.document_uids import PDF, REJECTION
from dicomweb_server.reading.emission_tables import EmittedRow, IssuanceRow, OutboxRow
from dicomweb_server.reading.encapsulated import pdf_in
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.outbox import now_us, verification_code
from dicomweb_server.reading.reading import Reading
from dicomweb_server.records.database import Database
from storage.errors import Corrupt

MOST_WAITING = 500


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a version. `instance_uid` and `sha256` are empty while it is being made;
    `successor` is the number of the version that replaced it, 0 for none."""

    report_id: str
    version: int
    kind: str
    instance_uid: str
    sha256: str
    successor: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What is told to who has a code: `status` is "current", "superseded" or "recalled"; the
    patient's name without most of it; `hash` the beginning of the content's."""

    report_id: str
    version: int
    issued_us: int
    status: str
    patient: str
    institution: str
    examination: str
    signers: tuple[str, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document that has not been made, and why."""

    instance_uid: str
    report_id: str
    version: int
    kind: str
    study_uid: str
    queued_us: int
    due_us: int
    tries: int
    failure: str


def document(session: Session, report_id: str, kind: str, version: int | None = None) -> Document:
    """A version's document of `kind`, the newest version's when none is named, in the first of its
    studies. Raises Unknown."""
    numbers = session.scalars(
        sa.select(IssuanceRow.version)
        .where(IssuanceRow.report_id == report_id)
        .order_by(IssuanceRow.version)
    ).all()
    if not numbers:
        raise Unknown("issued version of report", report_id)
    wanted = numbers[-1] if version is None else version
    if wanted not in numbers:
        raise Unknown("issued version", f"{wanted} of report {report_id}")
    row = session.get_one(IssuanceRow, (report_id, wanted))
    study_uid = issuance.from_json(row.issued).exam.study_uids[0]
    uid = document_uids.instance_uid(report_id, wanted, kind, study_uid)
    made = session.get(EmittedRow, uid)
    return Document(
        report_id,
        wanted,
        kind,
        uid if made else "",
        made.sha256 if made else "",
        next((each for each in numbers if each > wanted), 0),
    )


def bytes_of(archive: Archive, document: Document) -> bytes:
    """The PDF, or the SR's file, as it was made. Raises Corrupt when it is not what was noted."""
    file = stored_file(archive, document.instance_uid)
    name = f"{document.kind} of version {document.version} of report {document.report_id}"
    if file is None:
        raise Corrupt(name, "is not in the archive any more")
    content = pdf_in(file) if document.kind == PDF else file
    found = hashlib.sha256(content).hexdigest()
    if found != document.sha256:
        raise Corrupt(name, f"has SHA-256 {found}, {document.sha256} was noted when it was made")
    return content


def verify_documents(
    archive: Archive, database: Database, *, report: Callable[[str], None], report_id: str = ""
) -> int:
    """Compares what was issued with its code, and every emitted document with its digest (I9,
    REP-37), of one report or of all; tells `report` each fault as a sentence, and returns how many
    documents were looked at."""
    issuances, documents = sa.select(IssuanceRow), sa.select(EmittedRow)
    if report_id:
        issuances = issuances.where(IssuanceRow.report_id == report_id)
        documents = documents.where(EmittedRow.report_id == report_id)
    with database.read() as session:
        for row in session.scalars(issuances.execution_options(yield_per=100)):
            # The code is made of the content's digest and the signatures.
            if verification_code(issuance.from_json(row.issued)) != row.code:
                what = f"version {row.version} of report {row.report_id}"
                report(f"what the documents of {what} were made of is not what was issued")
        rows = session.scalars(documents.order_by(EmittedRow.emitted_us)).all()
    for made in rows:
        try:
            bytes_of(
                archive,
                Document(
                    made.report_id, made.version, made.kind, made.instance_uid, made.sha256, 0
                ),
            )
        except Corrupt as error:
            report(str(error))
    return len(rows)


def verification(session: Session, code: str) -> Verification | None:
    """What a printed code stands for, None for nothing; blanks and case do not matter."""
    bare = code.strip().upper().replace(" ", "").replace("-", "")
    grouped = "-".join(bare[at : at + 5] for at in range(0, len(bare), 5))
    row = session.scalars(sa.select(IssuanceRow).where(IssuanceRow.code == grouped[:32])).first()
    if row is None:
        return None
    issued = issuance.from_json(row.issued)
    return Verification(
        row.report_id,
        row.version,
        row.issued_us,
        _status(session, issued),
        masked(issued.patient),
        issued.exam.institution,
        issued.exam.description,
        tuple(each.name for each in issued.signatures),
        issued.content.digest[:16],
    )


def masked(patient: Patient) -> str:
    """A name as it may be shown to anybody: 王**, Z*** W***."""
    if patient.ideographic:
        bare = patient.ideographic.replace("^", "")
        return bare[:1] + "*" * max(1, len(bare) - 1)
    return " ".join(part[:1] + "***" for part in patient.name.split("^") if part) or "***"


def _status(session: Session, issued: IssuedVersion) -> str:
    report_id = issued.report_id
    if is_recalled(session, report_id):
        return "recalled"
    newest = sa.select(sa.func.max(IssuanceRow.version)).where(IssuanceRow.report_id == report_id)
    return "current" if session.scalar(newest) == issued.version else "superseded"


def is_recalled(session: Session, report_id: str) -> bool:
    """Whether what was issued of a report was called back: recalled, or cancelled after a
    preliminary had left."""
    rejections = sa.select(OutboxRow.instance_uid).where(
        OutboxRow.report_id == report_id, OutboxRow.kind == REJECTION
    )
    return session.scalars(rejections.limit(1)).first() is not None


def permit_recalled(reading: Reading, session: Session, report_id: str) -> None:
    """Raises Refused when the report was recalled and the caller is shown what holds alone (REPORTS
    4.7: hidden from ordinary readers); what was issued stays on record for who writes and reviews.
    """
    if is_recalled(session, report_id) and not reading.sees_unissued:
        raise Refused("recalled", f"report {report_id} was recalled: nothing of it holds")


def waiting(session: Session) -> list[Waiting]:
    """Documents that are not made yet, those that failed most often first."""
    rows = session.scalars(
        sa.select(OutboxRow)
        .where(OutboxRow.done_us.is_(None))
        .order_by(OutboxRow.tries.desc(), OutboxRow.queued_us)
        .limit(MOST_WAITING)
    )
    return [
        Waiting(
            row.instance_uid,
            row.report_id,
            row.version,
            row.kind,
            row.study_uid,
            row.queued_us,
            row.due_us,
            row.tries,
            row.failure,
        )
        for row in rows
    ]


def try_again(session: Session, instance_uid: str) -> None:
    """The worker tries it at once. Raises Unknown."""
    row = session.get(OutboxRow, instance_uid)
    if row is None or row.done_us is not None:
        raise Unknown("waiting delivery", instance_uid)
    row.due_us = now_us()
