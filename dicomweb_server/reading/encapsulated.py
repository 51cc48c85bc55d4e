"""A PDF as a DICOM object (PS3.3 §A.45.1, §C.24.2)."""

from io import BytesIO

from pydicom import dcmread

from dicomweb_server.reading import sr_codes
from dicomweb_server.reading.content import ImageReference, IssuedVersion
from dicomweb_server.reading.document_headers import Study, attributes, header, written

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SERIES_NUMBER = 9002


def encapsulated_pdf(
    issued: IssuedVersion,
    pdf: bytes,
    *,
    instance_uid: str,
    series_uid: str,
    study_uid: str,
    study: Study,
) -> bytes:
    """A Part 10 file. Raises Unwritable.

    A PDF of odd length is padded, and Encapsulated Document Length says where it ends.
    """
    document = header(
        issued,
        study,
        sop_class_uid=ENCAPSULATED_PDF,
        instance_uid=instance_uid,
        series_uid=series_uid,
        study_uid=study_uid,
        modality="DOC",
        series_number=SERIES_NUMBER,
        series_description="Report (PDF)",
        zone_at=issued.issued_at.astimezone(),
    )
    title = sr_codes.title(issued.exam)
    chinese = issued.content.language.startswith("zh")
    document |= attributes(
        ConversionType="WSD",
        AcquisitionDateTime="",
        BurnedInAnnotation="YES",
        SourceInstanceSequence=[_source(each) for each in issued.content.key_images] or None,
        DocumentTitle=f"{issued.exam.description}{'检查报告' if chinese else ' report'}"
        + (f" v{issued.version}" if issued.version > 1 else ""),
        ConceptNameCodeSequence=title,
        VerificationFlag="UNVERIFIED" if issued.kind == "preliminary" else "VERIFIED",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        EncapsulatedDocumentLength=len(pdf),
    )
    document["00420011"] = {"vr": "OB", "BulkDataURI": "pdf"}
    return written(document, bulk=[pdf])


def _source(image: ImageReference) -> dict[str, object]:
    return attributes(
        ReferencedSOPClassUID=image.sop_class_uid,
        ReferencedSOPInstanceUID=image.instance_uid,
    )


def pdf_in(file: bytes) -> bytes:
    """The PDF in a Part 10 file that `encapsulated_pdf` wrote, without its padding."""
    data_set = dcmread(BytesIO(file), specific_tags=["EncapsulatedDocument", _LENGTH])
    value: bytes = data_set.EncapsulatedDocument
    return value[: int(data_set.EncapsulatedDocumentLength)]


_LENGTH = "EncapsulatedDocumentLength"
