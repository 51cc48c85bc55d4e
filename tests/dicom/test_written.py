"""A data set written from its DICOM JSON says the same again."""

import orjson

from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.source import BytesSource, Part, PiecedSource
from dicomweb_server.dicom.written import Bulk, part10
from tests.dicom import build
from tests.dicom.build import EXPLICIT_VR_LITTLE_ENDIAN


def nothing(path: str, uri: str) -> Bulk:
    raise AssertionError(f"{path}: {uri}")


def test_what_is_written_is_read_as_it_was() -> None:
    file = build.part10(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Zhang^Wei=张^伟",
        ImageType=["ORIGINAL", "", "AXIAL"],
        PixelSpacing=["0.12345678901234", "1e-3"],
        SeriesNumber="-7",
        WindowCenter="40",
        FrameIncrementPointer=[0x00181063],
        RequestAttributesSequence=[
            {
                "ScheduledProcedureStepID": "A",
                "ScheduledProtocolCodeSequence": [{"CodeValue": "x"}],
            },
            {},
        ],
        PatientComments="a\\b",
        RealWorldValueSlope=2.5,
        ICCProfile=b"\0\1\2\3",
        PatientID=None,
    )
    before = orjson.loads(describe(BytesSource(file)).metadata)
    pieces = part10(before, transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN, bulk_of=nothing)
    again = orjson.loads(describe(PiecedSource(pieces)).metadata)
    assert again == before


def test_pieces_are_read_as_one() -> None:
    other = BytesSource(b"0123456789")
    source = PiecedSource([b"ab", Part(other, 3, 4), b"", b"c"])
    assert source.length == 7
    whole = b"ab3456c"
    for start in range(8):
        for length in range(9):
            assert source.read_at(start, length) == whole[start : start + length]
