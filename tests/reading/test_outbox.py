"""What is queued when a version is issued, and what is known of it."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from dicomweb_server.reading import issuance, outbox
from dicomweb_server.reading.content import ImageReference, MeasurementReference
from dicomweb_server.reading.emission_tables import IssuanceRow, OutboxRow
from dicomweb_server.records.database import Database
from tests.reading.examples import EXAM, REPORT_ID, STUDY_UID, content, issued


def queued(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        rows = session.scalars(sa.select(OutboxRow).order_by(OutboxRow.study_uid, OutboxRow.kind))
        return [(row.kind, row.study_uid) for row in rows]


def test_an_issued_version_queues_a_report_and_a_pdf_for_each_of_its_studies(
    database: Database,
) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued(exam=replace(EXAM, study_uids=("1.2.1", "1.2.2"))))
    assert queued(database) == [
        ("pdf", "1.2.1"),
        ("sr", "1.2.1"),
        ("pdf", "1.2.2"),
        ("sr", "1.2.2"),
    ]


def test_what_the_transaction_undoes_was_never_queued(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        outbox.enqueue(session, issued())
        session.flush()
        raise RuntimeError
    assert queued(database) == []


def test_a_version_is_queued_once(database: Database) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued())
    with pytest.raises(IntegrityError), database.write() as session:
        outbox.enqueue(session, issued())
    assert len(queued(database)) == 2


def test_a_preliminary_report_and_the_version_after_it_are_two(database: Database) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued(kind="preliminary"))
        outbox.enqueue(session, issued(version=2))
    assert len(queued(database)) == 4


def test_documents_are_known_before_they_are_made(database: Database) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued())
        known = outbox.documents_of(session, issued())
        assert known == outbox.documents(session, REPORT_ID, 1)
        assert not known.archived
        assert known.sr_uid.startswith("2.25.") and len(known.sr_uid) <= 64
        assert known.sr_uid != known.pdf_uid
        assert len(known.verification_code.replace("-", "")) == 20
        assert outbox.documents(session, REPORT_ID, 2) == outbox.Documents("", "", "", False)


def test_a_recall_queues_a_rejection_of_what_was_issued(database: Database) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued())
        outbox.enqueue_rejection(session, REPORT_ID, outbox.PATIENT_SAFETY)
    assert ("rejection", STUDY_UID) in queued(database)


def test_what_was_issued_is_never_changed_nor_deleted(database: Database) -> None:
    with database.write() as session:
        outbox.enqueue(session, issued())
    for statement in (
        sa.update(IssuanceRow).values(issued="{}"),
        sa.delete(IssuanceRow),
    ):
        with pytest.raises(DBAPIError, match="append-only"), database.write() as session:
            session.execute(statement)


def test_an_issued_version_comes_back_from_its_json_as_it_was() -> None:
    image = ImageReference("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2", 3, "结节㛃")
    whole = issued(
        content=content(
            key_images=(image,),
            measurements=(
                MeasurementReference("1.9", "结节", "length", 8.25, "mm", image),
                MeasurementReference("1.8", "", "mean", -12.5, "[hnsf'U]"),
            ),
            comparisons=("1.2.9",),
            fields={"size": 8, "sides": ["左", "右"]},
            overrides={"side-order": "两侧都检查了"},
        ),
        exceptions=("reviewer-left",),
    )
    back = issuance.from_json(issuance.as_json(whole))
    assert back == whole
    assert back.content.digest == whole.content.digest
