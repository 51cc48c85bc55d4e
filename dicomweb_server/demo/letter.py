"""A report as a PDF of one page, written by hand, encapsulated beside the CT that it is about.

The text is the invention of a report; the PDF (ISO 32000-1) uses a font that every reader has.
"""

from collections.abc import Iterator
from typing import Final

from dicomweb_server.demo.studies import CT_NOW, data_set, part10

_ENCAPSULATED_PDF_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.104.1"

_LINES: Final = (
    (18, "Demonstration Hospital"),
    (11, "Department of Radiology"),
    (11, ""),
    (14, "CT of chest, abdomen and pelvis with contrast, 18 September 2025"),
    (11, ""),
    (11, "Patient: Zhang Wei, born 12 March 1961, DEMO-0001, accession A20250918017"),
    (11, "Referred by: Li Na. Compared with: CT chest, 11 September 2024."),
    (11, ""),
    (12, "Findings"),
    (11, "Right upper lobe: solid, spiculated nodule of 14 mm, series 2, image 40."),
    (11, "It measured 5 mm a year ago. No enlarged lymph nodes. No pleural effusion."),
    (11, "Liver: cyst of 16 mm in the right lobe. No other focal lesion."),
    (11, "Gallbladder, pancreas, spleen, adrenals and kidneys without finding."),
    (11, "Calcified plaques of the abdominal aorta. No free fluid, no free air."),
    (11, "Skeleton without suspicious lesion."),
    (11, ""),
    (12, "Impression"),
    (11, "Growing spiculated nodule in the right upper lobe, to be presented to the"),
    (11, "lung board; PET-CT and tissue sampling recommended."),
    (11, ""),
    (11, "Chen Guang, radiologist"),
    (9, ""),
    (9, "This person and this report are invented. Not for diagnosis."),
)


def letter_files() -> Iterator[tuple[str, bytes]]:
    d = data_set(
        CT_NOW,
        sop_class_uid=_ENCAPSULATED_PDF_STORAGE,
        modality="DOC",
        series="report",
        series_number=900,
        series_description="Report",
        number=1,
    )
    d.ConversionType = "WSD"
    d.ContentTime = "103045"
    d.AcquisitionDateTime = ""
    d.BurnedInAnnotation = "YES"
    d.DocumentTitle = "CT report"
    d.VerificationFlag = "UNVERIFIED"
    d.ConceptNameCodeSequence = []
    d.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = pdf(_LINES)
    d.EncapsulatedDocumentLength = len(document)
    d.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    yield f"{CT_NOW.name}/report/0001.dcm", part10(d)


def pdf(lines: tuple[tuple[int, str], ...]) -> bytes:
    """One A4 page of lines, each with the size of its letters in points; ASCII only."""
    text = ["BT", "70 770 Td"]
    for size, line in lines:
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        text += [f"/F1 {size} Tf", f"({escaped}) Tj", f"0 {-size * 1.5:g} Td"]
    stream = "\n".join([*text, "ET"]).encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    file += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        start,
    )
    return bytes(file)
