"""What the suite stores on the server under test: small studies, built by the line.

Every run has its own UIDs and its own Patient IDs, so that it can be told from whatever else the
server holds and run any number of times. Searches of the rules are always narrowed to it.

    ct       CT, 5 slices of one series stored out of order, and an SR document with sequences
    images   one series for each kind of image: multi-frame, colour, compressed, 1 bit, float
    days     6 studies of one patient on different days and times, for matching and paging
    names    one study for each character set
    values   private attributes, bulk data in and out of sequences, every VR, a PDF, a waveform
    video    a video of two frames
    bare     a study that lacks all that may be lacking
"""

import io
import struct
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import imagecodecs
import numpy
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
MPEG_4 = "1.2.840.10008.1.2.4.102"

CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
MULTI_FRAME_BYTE = "1.2.840.10008.5.1.4.1.1.7.2"
DIGITAL_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
TWELVE_LEAD_ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
RAW_DATA = "1.2.840.10008.5.1.4.1.1.66"
GREYSCALE_PRESENTATION = "1.2.840.10008.5.1.4.1.1.11.1"
VIDEO_PHOTOGRAPHIC = "1.2.840.10008.5.1.4.1.1.77.1.4.1"

PRIVATE_CREATOR = "CONFORMANCE SUITE"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

Picture = NDArray[Any]


def new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True)
class Sample:
    """One instance that was sent.

    file      the Part 10 file, as sent
    dataset   what it holds
    frames    native frames in order, (rows, columns) or (rows, columns, samples); none without
              pixels; of a lossy sample, the picture before it was compressed
    """

    name: str
    file: bytes = field(repr=False)
    dataset: Dataset = field(repr=False)
    frames: tuple[Picture, ...] = field(repr=False, default=())

    @property
    def study_uid(self) -> str:
        return str(self.dataset.StudyInstanceUID)

    @property
    def series_uid(self) -> str:
        return str(self.dataset.SeriesInstanceUID)

    @property
    def uid(self) -> str:
        return str(self.dataset.SOPInstanceUID)

    @property
    def transfer_syntax(self) -> str:
        return str(self.dataset.file_meta.TransferSyntaxUID)

    @property
    def study(self) -> str:
        """Path below the DICOMweb root."""
        return f"/studies/{self.study_uid}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.series_uid}"

    @property
    def path(self) -> str:
        return f"{self.series}/instances/{self.uid}"


@dataclass
class Material:
    """All samples of a run.

    token    of this run, within every Patient ID
    stored   names of the samples that the server said it had stored
    answers  of the stores in the setup, by the study's name
    """

    token: str
    samples: dict[str, Sample] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    answers: dict[str, Any] = field(default_factory=dict)
    more_studies: set[str] = field(default_factory=set)

    def __getitem__(self, name: str) -> Sample:
        return self.samples[name]

    def having(self, name: str) -> Sample:
        """A sample that the server has; raises Unsupported when it refused it."""
        from tests.conformance.rules import Unsupported

        if name not in self.stored:
            raise Unsupported(f"the server did not store the sample {name}")
        return self.samples[name]

    def of_study(self, name: str) -> list[Sample]:
        """The samples of the study that holds the sample `name`."""
        uid = self[name].study_uid
        return [one for one in self.samples.values() if one.study_uid == uid]

    def studies(self) -> dict[str, list[Sample]]:
        """Study Instance UID -> its samples, in the order they are sent."""
        found: dict[str, list[Sample]] = {}
        for one in self.samples.values():
            found.setdefault(one.study_uid, []).append(one)
        return found

    def patient_id(self, name: str) -> str:
        return f"{self.token}-{name}"

    def labels(self) -> dict[str, str]:
        """UID -> what it is called in reports."""
        found: dict[str, str] = {}
        for name, one in sorted(self.samples.items()):
            found.setdefault(one.study_uid, f"study of {name}")
            found.setdefault(one.series_uid, f"series of {name}")
            found[one.uid] = name
        return found


def written(dataset: Dataset) -> bytes:
    """The data set with its file meta as a Part 10 file."""
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # What some samples hold is odd on purpose.
        warnings.simplefilter("ignore")
        dcmwrite(
            buffer,
            dataset,
            implicit_vr=syntax == IMPLICIT,
            little_endian=syntax != BIG_ENDIAN,
            enforce_file_format=True,
        )
    return buffer.getvalue()


def instance(
    *,
    study_uid: str,
    series_uid: str | None = None,
    sop_class: str = SECONDARY_CAPTURE,
    transfer_syntax: str = EXPLICIT,
    **attributes: Any,
) -> Dataset:
    """A data set with file meta and the attributes every instance has; more by keyword."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = UID(sop_class)
    dataset.SOPInstanceUID = UID(new_uid())
    dataset.StudyInstanceUID = UID(study_uid)
    dataset.SeriesInstanceUID = UID(series_uid or new_uid())
    dataset.Modality = "OT"
    dataset.InstanceNumber = 1
    dataset.SeriesNumber = 1
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def with_pixels(
    dataset: Dataset,
    frames: Sequence[Picture],
    *,
    photometric: str = "MONOCHROME2",
    bits_stored: int | None = None,
    multi_frame: bool = False,
    encoded: Sequence[bytes] | None = None,
    lossy: bool = False,
) -> Dataset:
    """The data set with the frames as its Pixel Data, encapsulated when `encoded` is given."""
    first = frames[0]
    bits = first.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = first.shape[:2]
    dataset.SamplesPerPixel = 1 if first.ndim == 2 else first.shape[2]
    dataset.PhotometricInterpretation = photometric
    if dataset.SamplesPerPixel > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = bits
    dataset.BitsStored = bits_stored or bits
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(first.dtype.kind == "i")
    if multi_frame or len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    if lossy:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = "10"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
    if encoded is not None:
        dataset.PixelData = encapsulate(list(encoded))
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        return dataset
    big = str(dataset.file_meta.TransferSyntaxUID) == BIG_ENDIAN
    order: Literal[">", "<"] = ">" if big else "<"
    value = b"".join(one.astype(one.dtype.newbyteorder(order)).tobytes() for one in frames)
    dataset.PixelData = value + b"\0" * (len(value) % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    return dataset


def ramp(rows: int, columns: int, *, shift: int = 0, top: int = 4095, kind: str = "u2") -> Picture:
    """A smooth picture with an edge, different for each `shift`."""
    down, across = numpy.mgrid[0:rows, 0:columns]
    picture = (down * 37 + across * 53 + shift * 101) % (top + 1)
    picture[rows // 4 : rows // 2, columns // 4 : columns // 2] = top
    made: Picture = picture.astype(kind)
    return made


def colours(rows: int, columns: int) -> Picture:
    """Red, green, blue and grey quarters."""
    picture = numpy.zeros((rows, columns, 3), "u1")
    picture[: rows // 2, : columns // 2] = (220, 20, 10)
    picture[: rows // 2, columns // 2 :] = (10, 200, 30)
    picture[rows // 2 :, : columns // 2] = (20, 30, 210)
    picture[rows // 2 :, columns // 2 :] = (128, 128, 128)
    return picture


def run_length(picture: Picture) -> bytes:
    """PS3.5 Annex G, every byte literal or a run; 16 bits are two segments, high bytes first."""
    plane = picture.astype(">u2").view("u1").reshape(-1, 2)
    segments: list[bytes] = []
    for column in (0, 1):
        data = plane[:, column].tobytes()
        width = picture.shape[1]
        coded = bytearray()
        for row in range(0, len(data), width):
            for at in range(row, row + width, 128):
                piece = data[at : min(at + 128, row + width)]
                coded += bytes([len(piece) - 1]) + piece
        segments.append(bytes(coded) + b"\0" * (len(coded) % 2))
    offsets = [64, 64 + len(segments[0])]
    head = struct.pack("<16I", 2, *offsets, *[0] * 13)
    return head + b"".join(segments)


def _patient(token: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "PatientID": f"{token}-{name}",
        "PatientName": f"Conf{token}^{name.capitalize()}",
        "PatientBirthDate": "19700203",
        "PatientSex": "O",
        "StudyDate": "20240131",
        "StudyTime": "101530",
        "AccessionNumber": f"A{token}{name[:4].upper()}",
        "StudyID": f"S{name[:8].upper()}",
        "StudyDescription": f"Conformance {name}",
        "ReferringPhysicianName": "Referrer^Rita",
        **more,
    }


def material() -> Material:
    """The samples of a new run."""
    token = uuid.uuid4().hex[:8].upper()
    given = Material(token)
    for name, dataset, frames in _samples(token):
        given.samples[name] = Sample(name, written(dataset), dataset, tuple(frames))
    return given


Made = tuple[str, Dataset, Sequence[Picture]]


def _samples(token: str) -> Iterator[Made]:
    yield from _ct(token)
    yield from _images(token)
    yield from _days(token)
    yield from _names(token)
    yield from _values(token)
    yield from _video(token)
    yield from _bare(token)


def _request(step: str, procedure: str) -> Dataset:
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.RequestedProcedureID = procedure
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _ct(token: str) -> Iterator[Made]:
    study_uid, series_uid = new_uid(), new_uid()
    patient = _patient(token, "ct", TimezoneOffsetFromUTC="+0100")
    # Stored out of order, so that a server that answers in the order of Instance Number is seen.
    for number in (3, 1, 5, 2, 4):
        picture = ramp(48, 64, shift=number).astype("i2") - 1024
        dataset = instance(
            study_uid=study_uid,
            series_uid=series_uid,
            sop_class=CT,
            **patient,
            Modality="CT",
            SeriesNumber=2,
            SeriesDescription="Thin slices",
            InstanceNumber=number,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            PerformedProcedureStepStartDate="20240131",
            PerformedProcedureStepStartTime="101600",
            RequestAttributesSequence=Items(
                [_request(f"STEP1{token}", "PROC1"), _request(f"STEP2{token}", "PROC2")]
            ),
            ImagePositionPatient=[-100.5, -90.25, number * 2.5],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[0.5, 0.5],
            SliceThickness="2.5",
            RescaleIntercept="0",
            RescaleSlope="1",
            WindowCenter="1024",
            WindowWidth="2048",
        )
        yield f"ct{number}", with_pixels(dataset, [picture], bits_stored=16), [picture]
    finding = Dataset()
    finding.RelationshipType = "CONTAINS"
    finding.ValueType = "TEXT"
    finding.ConceptNameCodeSequence = Items([_code("121071", "DCM", "Finding")])
    finding.TextValue = "Nothing that was not there before — 无异常"
    yield (
        "sr",
        instance(
            study_uid=study_uid,
            sop_class=COMPREHENSIVE_SR,
            **patient,
            Modality="SR",
            SeriesNumber=9,
            SeriesDescription="Report",
            ContentDate="20240131",
            ContentTime="120000",
            ValueType="CONTAINER",
            ContinuityOfContent="SEPARATE",
            CompletionFlag="COMPLETE",
            VerificationFlag="UNVERIFIED",
            ConceptNameCodeSequence=Items([_code("18748-4", "LN", "Diagnostic imaging report")]),
            ContentSequence=Items([finding]),
            CurrentRequestedProcedureEvidenceSequence=Items([]),
        ),
        (),
    )


def _images(token: str) -> Iterator[Made]:
    study_uid = new_uid()
    patient = _patient(token, "images")
    number = 0

    referred: Dataset | None = None

    def one(**more: Any) -> Dataset:
        nonlocal number
        number += 1
        return instance(study_uid=study_uid, **patient, **{"SeriesNumber": number, **more})

    frames = [ramp(24, 32, shift=n, top=255, kind="u1") for n in range(4)]
    yield (
        "multi",
        with_pixels(one(sop_class=MULTI_FRAME_BYTE, Modality="OT"), frames, multi_frame=True),
        frames,
    )
    picture = colours(40, 48)
    yield (
        "rgb",
        with_pixels(one(sop_class=ULTRASOUND, Modality="US"), [picture], photometric="RGB"),
        [picture],
    )
    picture = ramp(32, 32, top=255, kind="u1")
    palette = one(Modality="OT")
    for keyword, offset in (("Red", 0), ("Green", 85), ("Blue", 170)):
        table = numpy.array([(n + offset) % 256 * 257 for n in range(256)], "<u2")
        setattr(palette, f"{keyword}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(palette, f"{keyword}PaletteColorLookupTableData", table.tobytes())
    yield "palette", with_pixels(palette, [picture], photometric="PALETTE COLOR"), [picture]
    grey = ramp(32, 40, top=4095)
    for name, photometric in (("monochrome1", "MONOCHROME1"), ("monochrome2", "MONOCHROME2")):
        dataset = one(
            sop_class=DIGITAL_X_RAY,
            Modality="DX",
            WindowCenter="2048",
            WindowWidth="4096",
            RescaleIntercept="0",
            RescaleSlope="1",
            RescaleType="US",
            PresentationLUTShape="INVERSE" if photometric == "MONOCHROME1" else "IDENTITY",
        )
        referred = with_pixels(dataset, [grey], photometric=photometric, bits_stored=12)
        yield name, referred, [grey]
    assert referred is not None
    yield _presentation(token, referred)
    picture = ramp(40, 48, top=4095)
    lossless = {
        "rle": (RLE, run_length(picture)),
        "jpeg-ls": (JPEG_LS, imagecodecs.jpegls_encode(picture)),
        "jpeg-2000": (
            JPEG_2000_LOSSLESS,
            imagecodecs.jpeg2k_encode(picture, level=0, reversible=True, codecformat="j2k"),
        ),
        "htj2k": (HTJ2K_LOSSLESS, imagecodecs.htj2k_encode(picture, reversible=True)),
    }
    for name, (syntax, codestream) in lossless.items():
        dataset = one(Modality="OT", transfer_syntax=syntax)
        data = bytes(codestream)
        yield name, with_pixels(dataset, [picture], bits_stored=16, encoded=[data]), [picture]
    smooth = numpy.add.outer(numpy.arange(40), numpy.arange(48)).astype("u1")
    jpegs = [bytes(imagecodecs.jpeg8_encode(smooth + n, level=90)) for n in (0, 40)]
    dataset = one(sop_class=MULTI_FRAME_BYTE, Modality="OT", transfer_syntax=JPEG_BASELINE)
    yield (
        "jpeg",
        with_pixels(dataset, [smooth, smooth + 40], multi_frame=True, encoded=jpegs, lossy=True),
        [smooth, smooth + 40],
    )
    for name, syntax in (
        ("implicit", IMPLICIT),
        ("big-endian", BIG_ENDIAN),
        ("deflated", DEFLATED),
    ):
        dataset = one(Modality="OT", transfer_syntax=syntax)
        yield name, with_pixels(dataset, [picture], bits_stored=12), [picture]
    yield from _pipelines(one)
    yield _segmentation(one(sop_class=SEGMENTATION, Modality="SEG"))
    yield _parametric_map(one(sop_class=PARAMETRIC_MAP, Modality="OT"))


def _pipelines(one: Callable[..., Dataset]) -> Iterator[Made]:
    """Images on which a step of the rendering pipeline (PS3.4 §N.2) shows."""
    grey = ramp(32, 40, top=4095)
    rescaled = one(
        sop_class=CT,
        Modality="CT",
        RescaleSlope="2",
        RescaleIntercept="-1000",
        RescaleType="HU",
        WindowCenter="3000",
        WindowWidth="6000",
    )
    yield "rescaled", with_pixels(rescaled, [grey], bits_stored=12), [grey]
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    # Downwards and in two steps, as no window can be.
    values = numpy.concatenate([numpy.full(2048, 65535), numpy.linspace(30000, 0, 2048)])
    table.LUTData = values.astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    voi = one(
        sop_class=DIGITAL_X_RAY,
        Modality="DX",
        RescaleIntercept="0",
        RescaleSlope="1",
        RescaleType="US",
        PresentationLUTShape="IDENTITY",
        VOILUTSequence=Items([table]),
    )
    yield "voi-lut", with_pixels(voi, [grey], bits_stored=12), [grey]
    picture = colours(40, 48)
    ybr = to_ybr(picture)
    yield "ybr", with_pixels(one(Modality="OT"), [ybr], photometric="YBR_FULL"), [ybr]
    planar = with_pixels(one(Modality="OT"), [picture], photometric="RGB")
    planar.PlanarConfiguration = 1
    planar.PixelData = numpy.ascontiguousarray(picture.transpose(2, 0, 1)).tobytes()
    yield "planar", planar, [picture]


def to_ybr(picture: Picture) -> Picture:
    """YBR_FULL of an RGB picture (PS3.3 §C.7.6.3.1.2)."""
    matrix = numpy.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    made: Picture = numpy.rint(picture @ matrix.T + (0, 128, 128)).clip(0, 255).astype("u1")
    return made


def _presentation(token: str, referred: Dataset) -> Made:
    """A presentation state that shows `referred` with a window of its own."""
    image, series, voi = Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID = referred.SOPClassUID
    image.ReferencedSOPInstanceUID = referred.SOPInstanceUID
    series.SeriesInstanceUID = referred.SeriesInstanceUID
    series.ReferencedImageSequence = Items([image])
    voi.WindowCenter, voi.WindowWidth = "1000", "400"
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [int(referred.Columns), int(referred.Rows)]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = [1, 1]
    dataset = instance(
        study_uid=str(referred.StudyInstanceUID),
        sop_class=GREYSCALE_PRESENTATION,
        **_patient(token, "images"),
        Modality="PR",
        SeriesNumber=99,
        ContentLabel="NARROW",
        PresentationCreationDate="20240131",
        PresentationCreationTime="120000",
        ReferencedSeriesSequence=Items([series]),
        SoftcopyVOILUTSequence=Items([voi]),
        DisplayedAreaSelectionSequence=Items([area]),
        PresentationLUTShape="IDENTITY",
    )
    return "presentation", dataset, ()


VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(256)) * 40


def _video(token: str) -> Iterator[Made]:
    """A video of two frames; its stream is only said to be MPEG-4, nobody is to decode it."""
    dataset = instance(
        study_uid=new_uid(),
        sop_class=VIDEO_PHOTOGRAPHIC,
        transfer_syntax=MPEG_4,
        **_patient(token, "video"),
        Modality="XC",
        FrameTime="40",
        FrameIncrementPointer=[0x00181063],
    )
    blank = [numpy.zeros((16, 16, 3), "u1")] * 2
    with_pixels(dataset, blank, photometric="YBR_PARTIAL_420", encoded=[VIDEO], lossy=True)
    dataset.LossyImageCompressionMethod = "ISO_14496_10"
    yield "video", dataset, ()


def _segmentation(dataset: Dataset) -> Made:
    """Two frames of 1 bit each; 20 x 12 pixels are 30 bytes, so a frame ends at a byte."""
    frames = [(ramp(20, 12, shift=n, top=7) > 3).astype("u1") for n in range(2)]
    dataset.SegmentationType = "BINARY"
    segment = Dataset()
    segment.SegmentNumber = 1
    segment.SegmentLabel = "Lesion"
    segment.SegmentAlgorithmType = "MANUAL"
    segment.SegmentedPropertyCategoryCodeSequence = Items([_code("49755003", "SCT", "Abnormal")])
    segment.SegmentedPropertyTypeCodeSequence = Items([_code("52988006", "SCT", "Lesion")])
    dataset.SegmentSequence = Items([segment])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = 20, 12
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelRepresentation = 0
    dataset.NumberOfFrames = 2
    packed = numpy.packbits(numpy.concatenate([one.ravel() for one in frames]), bitorder="little")
    dataset.PixelData = packed.tobytes()
    dataset["PixelData"].VR = "OB"
    return "segmentation", dataset, frames


def _parametric_map(dataset: Dataset) -> Made:
    frames = [ramp(16, 16, shift=n).astype("<f4") / 7 for n in range(2)]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = 16, 16
    dataset.BitsAllocated = 32
    dataset.NumberOfFrames = 2
    dataset.FloatPixelData = b"".join(one.tobytes() for one in frames)
    return "float", dataset, frames


DAYS = (
    ("day1", "20240101", "080000", "Anna"),
    ("day2", "20240115", "093000", "Bruno"),
    ("day3", "20240115", "143000", "Anna"),
    ("day4", "20240131", "000000", "Clara"),
    ("day5", "20240201", "235959", "Anna"),
    ("day6", "20250615", "120000", "Dora"),
)
"""Name, Study Date, Study Time, given name of the operator, of the studies `days`."""


def _days(token: str) -> Iterator[Made]:
    for number, (name, date, time, operator) in enumerate(DAYS, 1):
        yield (
            name,
            instance(
                study_uid=new_uid(),
                **_patient(
                    token,
                    "days",
                    StudyDate=date,
                    StudyTime=time,
                    AccessionNumber=f"D{token}{number}",
                    StudyID=f"DAY{number}",
                    StudyDescription="Head CT" if number % 2 else "Knee MR",
                    ReferringPhysicianName=f"Physician^{operator}",
                ),
                Modality="CT" if number % 2 else "MR",
                SeriesDescription=f"Series {number}",
                OperatorsName=f"Operator^{operator}",
                SeriesNumber=number,
                InstanceNumber=number,
            ),
            (),
        )


NAMES: Mapping[str, tuple[str | list[str], str]] = {
    "latin": ("ISO_IR 100", "Müller^Jürgen"),
    "greek": ("ISO_IR 126", "Διονυσιος"),
    "cyrillic": ("ISO_IR 144", "Люксембург"),
    "chinese": ("GB18030", "Zhang^Wei=张^伟"),
    "utf8": ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
}
"""Sample -> Specific Character Set and Patient's Name of the studies `names`."""


def _names(token: str) -> Iterator[Made]:
    for name, (charset, person) in NAMES.items():
        yield (
            name,
            instance(
                study_uid=new_uid(),
                **_patient(token, "names", AccessionNumber=f"N{token}{name[:3].upper()}")
                | {"SpecificCharacterSet": charset, "PatientName": person},
            ),
            (),
        )


def _values(token: str) -> Iterator[Made]:
    study_uid = new_uid()
    patient = _patient(token, "values")
    dataset = instance(
        study_uid=study_uid,
        sop_class=RAW_DATA,
        **patient,
        SeriesNumber=1,
        CreatorVersionUID=new_uid(),
        # One of each VR that DICOM JSON writes in a way of its own (F.2.3).
        RetrieveAETitle="AE_ONE",
        PatientAge="042Y",
        FrameIncrementPointer=[0x00181063],
        ImageType=["DERIVED", "PRIMARY"],
        AcquisitionDate="20240131",
        AcquisitionTime="101530.250000",
        AcquisitionDateTime="20240131101530.250000+0100",
        PatientWeight="72.50",
        PatientSize=None,
        EventElapsedTimes=["1", "-2.5", "3e2"],
        TableTopVerticalPosition=None,
        SimpleFrameList=[1, 4, 4294967295],
        ReferencePixelX0=-40000,
        RescaleSlope="0.1",
        DiffusionBValue=1000.125,
        TagAngleFirstAxis=1.5,
        PixelPaddingValue=None,
        OperatorsName=["First^Op", "Second^Op^^Dr"],
        PatientComments='Line one\r\nLine two \\ with a backslash and "quotes"',
        OtherPatientNames=None,
        DeviceSerialNumber="SN <&> 1",
        PatientAddress="Ende^^^",
        SelectorUVValue=[1, 18446744073709551615],
        SelectorSVValue=-9223372036854775808,
        RetrieveURL="http://example.org/studies?a=1&b=%20",
    )
    dataset.add_new(0x00090010, "LO", PRIVATE_CREATOR)
    dataset.add_new(0x00091001, "LO", "private text")
    dataset.add_new(0x00091002, "OB", bytes(range(256)) * 600)
    dataset.add_new(0x00091003, "UN", b"\x01\x02\x03\x04")
    dataset.add_new(0x00091004, "DS", "12.5")
    nested = Dataset()
    nested.add_new(0x00090010, "LO", PRIVATE_CREATOR)
    nested.add_new(0x00091002, "OB", bytes(reversed(range(256))) * 500)
    nested.add_new(0x00091005, "LO", "within an item")
    dataset.add_new(0x00091006, "SQ", Items([nested]))
    empty = Dataset()
    dataset.ReferencedStudySequence = Items([])
    dataset.ReferencedInstanceSequence = Items([empty])
    yield "values", dataset, ()
    yield (
        "pdf",
        instance(
            study_uid=study_uid,
            sop_class=ENCAPSULATED_PDF,
            **patient,
            Modality="DOC",
            SeriesNumber=2,
            MIMETypeOfEncapsulatedDocument="application/pdf",
            EncapsulatedDocument=PDF + b"\0" * (len(PDF) % 2),
            EncapsulatedDocumentLength=len(PDF),
            DocumentTitle="A document",
            BurnedInAnnotation="NO",
        ),
        (),
    )
    waveform = Dataset()
    waveform.WaveformOriginality = "ORIGINAL"
    waveform.NumberOfWaveformChannels = 2
    waveform.NumberOfWaveformSamples = 20000
    waveform.SamplingFrequency = "500"
    waveform.WaveformBitsAllocated = 16
    waveform.WaveformSampleInterpretation = "SS"
    waveform.WaveformData = numpy.arange(40000, dtype="<i2").tobytes()
    waveform["WaveformData"].VR = "OW"
    yield (
        "ecg",
        instance(
            study_uid=study_uid,
            sop_class=TWELVE_LEAD_ECG,
            **patient,
            Modality="ECG",
            SeriesNumber=3,
            WaveformSequence=Items([waveform]),
        ),
        (),
    )


def _bare(token: str) -> Iterator[Made]:
    dataset = instance(study_uid=new_uid(), PatientID=f"{token}-bare", AccessionNumber="")
    del dataset.SpecificCharacterSet
    del dataset.InstanceNumber
    del dataset.SeriesNumber
    yield "bare", dataset, ()
