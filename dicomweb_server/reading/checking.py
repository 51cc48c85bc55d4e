"""The self-check, asked for before signing: of a text as it is saved, or as it is being typed."""

from typing import Any

from dicomweb_server.access.caller import Act
from dicomweb_server.reading import rows
from dicomweb_server.reading.content_json import content_of
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.situation import findings, subject


def checked(reading: Reading, report_id: str, document: Any = None) -> list[dict[str, Any]]:
    """Every finding, with whether the text overrides it.

    document  the text as JSON; None for what is saved

    Raises Unknown, Refused, Denied.
    """
    reading.caller.permit(Act.DRAFT)
    with reading.records.read() as session:
        report = rows.report_row(session, report_id)
        content = (
            content_of(document)
            if document is not None
            else rows.content(session, report.content_hash)
        )
        patient, exam = subject(reading, session, rows.exams_of(session, report_id))
        return findings(reading, session, content, patient=patient, exam=exam)
