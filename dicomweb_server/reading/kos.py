"""Key object selections made of reports: the note by which a recalled report's documents are
rejected (PS3.3 §A.35.4; PS3.16 TID 2010; IHE RAD TF-3 IOCM)."""

from collections.abc import Sequence
from datetime import datetime

from dicomweb_server.reading import sr_codes
from dicomweb_server.reading.content import IssuedVersion
from dicomweb_server.reading.document_headers import Study, attributes, header, in_words, written
from dicomweb_server.reading.sr import Reference, referred

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
SERIES_NUMBER = 9003

TITLES = {
    "113037": sr_codes.dcm("113037", "Rejected for Patient Safety Reasons"),
    "113038": sr_codes.dcm("113038", "Incorrect Modality Worklist Entry"),
}
_DESCRIPTION = sr_codes.dcm("113012", "Key Object Description")


def rejection_note(
    issued: IssuedVersion,
    *,
    reason: str,
    at: datetime,
    rejected: Sequence[Reference],
    instance_uid: str,
    series_uid: str,
    study_uid: str,
    study: Study,
) -> bytes:
    """A Part 10 file that rejects documents of one study. Raises Unwritable.

    reason  code of CID 7010, one of TITLES
    at      when it was recalled
    """
    document = header(
        issued,
        study,
        sop_class_uid=KEY_OBJECT_SELECTION,
        instance_uid=instance_uid,
        series_uid=series_uid,
        study_uid=study_uid,
        modality="KO",
        series_number=SERIES_NUMBER,
        series_description="Report recalled",
        zone_at=at.astimezone(),
    )
    document |= attributes(
        ReferencedRequestSequence=[
            attributes(
                StudyInstanceUID=study_uid,
                ReferencedStudySequence=(),
                AccessionNumber=issued.exam.accession,
                PlacerOrderNumberImagingServiceRequest="",
                FillerOrderNumberImagingServiceRequest="",
                RequestedProcedureID="",
                RequestedProcedureDescription=issued.exam.description,
                RequestedProcedureCodeSequence=(),
            )
        ],
        CurrentRequestedProcedureEvidenceSequence=referred(rejected),
        ValueType="CONTAINER",
        ConceptNameCodeSequence=TITLES[reason],
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=[
            attributes(
                MappingResource="DCMR",
                MappingResourceUID="1.2.840.10008.8.1.1",
                TemplateIdentifier="2010",
            )
        ],
        ContentSequence=[
            attributes(
                RelationshipType="CONTAINS",
                ValueType="TEXT",
                ConceptNameCodeSequence=_DESCRIPTION,
                TextValue=in_words(f"Report {issued.report_id} was recalled."),
            ),
            *(
                attributes(
                    RelationshipType="CONTAINS",
                    ValueType="COMPOSITE",
                    ReferencedSOPSequence=[
                        attributes(
                            ReferencedSOPClassUID=each.sop_class_uid,
                            ReferencedSOPInstanceUID=each.instance_uid,
                        )
                    ],
                )
                for each in rejected
            ),
        ],
    )
    return written(document)
