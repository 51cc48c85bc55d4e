"""Studies for a viewer, few enough to be made in seconds: the demonstration archive's patients.

CT now, 40 slices of the chest with a report in PDF and a segmentation of the lungs; the same chest
a year ago; the MR of a head; an electrocardiogram of 12 leads.
"""

import io
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from dicomweb_server.demo.ct import ct_files
from dicomweb_server.demo.head import head_files
from dicomweb_server.demo.letter import letter_files
from dicomweb_server.demo.studies import (
    CT_NOW,
    CT_PRIOR,
    GARCIA,
    MR_HEAD,
    Study,
    code,
    data_set,
    part10,
    uid,
)

SLICES = 40
SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
ECG_STORAGE = "1.2.840.10008.5.1.4.1.1.9.1.1"
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

ECG = Study(
    "ecg", GARCIA, "ECG 12 leads", "20250415", "101500", "A20250415002", "057Y", 62.0, "", ""
)

UPLOADED = Study(
    "uploaded", GARCIA, "Chest PA by hand", "20250420", "080000", "U1", "057Y", 62.0, "", ""
)

__all__ = ["CT_NOW", "CT_PRIOR", "ECG", "MR_HEAD", "UPLOADED", "files", "uploaded"]


def files() -> Iterator[bytes]:
    now = [dcmread(io.BytesIO(file)) for _, file in islice(ct_files(), SLICES)]
    for image in now:
        yield part10(image)
    for image in now[1::2]:
        yield part10(earlier(image))
    yield part10(lungs(now))
    yield part10(letter())
    for _, file in head_files():
        yield file
    yield part10(electrocardiogram())


def earlier(image: FileDataset) -> Dataset:
    """The slice as it was a year ago."""
    prior = deepcopy(image)
    prior.StudyInstanceUID = CT_PRIOR.study_uid
    prior.SeriesInstanceUID = uid(CT_PRIOR.name, "ct")
    prior.SOPInstanceUID = uid(CT_PRIOR.name, "ct", int(image.InstanceNumber))
    prior.FrameOfReferenceUID = uid(CT_PRIOR.name, "frame of reference")
    prior.StudyDescription, prior.AccessionNumber = CT_PRIOR.description, CT_PRIOR.accession
    for moment in ("Study", "Series", "Content", "Acquisition"):
        setattr(prior, f"{moment}Date", CT_PRIOR.date)
    return prior


def letter() -> Dataset:
    """The report, longer than what is sent within metadata."""
    ((_, file),) = letter_files()
    d = dcmread(io.BytesIO(file))
    comment = b"\n%" + b"-" * 99_998
    d.EncapsulatedDocument = d.EncapsulatedDocument[: d.EncapsulatedDocumentLength] + comment
    d.EncapsulatedDocumentLength = len(d.EncapsulatedDocument)
    d.EncapsulatedDocument += b"\0" * (len(d.EncapsulatedDocument) % 2)
    return d


def lungs(images: list[FileDataset]) -> Dataset:
    """Where the slices are air within the body, as a binary segmentation (PS3.3 §A.51)."""
    first = images[0]
    d = data_set(
        CT_NOW,
        sop_class_uid=SEGMENTATION_STORAGE,
        modality="SEG",
        series="seg",
        series_number=300,
        series_description="Lungs",
        number=1,
    )
    d.ImageType = ["DERIVED", "PRIMARY"]
    d.ContentLabel, d.ContentDescription, d.ContentCreatorName = "LUNGS", "Lungs", "Numpy"
    d.FrameOfReferenceUID = first.FrameOfReferenceUID
    d.PositionReferenceIndicator = ""
    d.SegmentationType = "BINARY"
    d.LossyImageCompression = "00"
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Lungs"
    segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", "threshold"
    segment.SegmentedPropertyCategoryCodeSequence = [code("123037004", "SCT", "Body structure")]
    segment.SegmentedPropertyTypeCodeSequence = [code("39607008", "SCT", "Lung")]
    # A strong green: L* 60 of 100, a* -90, b* 80 (PS3.3 §C.10.7.1.1).
    segment.RecommendedDisplayCIELabValue = [39321, 9637, 53456]
    d.SegmentSequence = [segment]
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = first.ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = first.PixelSpacing, first.SliceThickness
    measures.SpacingBetweenSlices = first.SpacingBetweenSlices
    shared.PlaneOrientationSequence = [orientation]
    shared.PixelMeasuresSequence = [measures]
    d.SharedFunctionalGroupsSequence = [shared]
    organization = Dataset()
    organization.DimensionOrganizationUID = uid(CT_NOW.name, "seg", "dimensions")
    d.DimensionOrganizationSequence = [organization]
    d.DimensionIndexSequence = []
    for pointer, group in ((0x0062000B, 0x0062000A), (0x00200032, 0x00209113)):
        index = Dataset()
        index.DimensionOrganizationUID = organization.DimensionOrganizationUID
        index.DimensionIndexPointer, index.FunctionalGroupPointer = pointer, group
        d.DimensionIndexSequence.append(index)
    referenced = Dataset()
    referenced.SeriesInstanceUID = first.SeriesInstanceUID
    referenced.ReferencedInstanceSequence = [reference(image) for image in images]
    d.ReferencedSeriesSequence = [referenced]
    d.PerFrameFunctionalGroupsSequence = [
        frame(image, position) for position, image in enumerate(images, 1)
    ]
    y, x = np.mgrid[: first.Rows, : first.Columns]
    body = ((x - 256) / 95) ** 2 + ((y - 270) / 65) ** 2 < 1
    masks = [(image.pixel_array - 1024 < -500) & body for image in images]
    d.NumberOfFrames, d.Rows, d.Columns = len(images), first.Rows, first.Columns
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 1, 1, 0, 0
    bits = np.packbits(np.stack(masks).ravel(), bitorder="little").tobytes()
    d.add_new("PixelData", "OB", bits)
    return d


def reference(image: FileDataset) -> Dataset:
    d = Dataset()
    d.ReferencedSOPClassUID, d.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return d


def frame(image: FileDataset, position: int) -> Dataset:
    """The functional groups of the frame that lies on a slice."""
    d, content, place, derivation, number = (Dataset() for _ in range(5))
    content.DimensionIndexValues = [1, position]
    place.ImagePositionPatient = image.ImagePositionPatient
    source = reference(image)
    source.PurposeOfReferenceCodeSequence = [
        code("121322", "DCM", "Source image for image processing operation")
    ]
    derivation.DerivationCodeSequence = [code("113076", "DCM", "Segmentation")]
    derivation.SourceImageSequence = [source]
    number.ReferencedSegmentNumber = 1
    d.FrameContentSequence = [content]
    d.PlanePositionSequence = [place]
    d.DerivationImageSequence = [derivation]
    d.SegmentIdentificationSequence = [number]
    return d


def electrocardiogram() -> Dataset:
    """Ten seconds of twelve leads at 500 Hz, a beat a second (PS3.3 §A.34.3)."""
    rate, seconds = 500, 10
    d = data_set(
        ECG,
        sop_class_uid=ECG_STORAGE,
        modality="ECG",
        series="ecg",
        series_number=1,
        series_description="ECG",
        number=1,
    )
    d.AcquisitionDateTime = ECG.date + ECG.time
    d.AcquisitionContextSequence = []
    t = np.arange(rate * seconds) / rate % 1.0
    beat = sum(
        height * np.exp(-(((t - moment) / width) ** 2))
        for height, moment, width in (
            (120, 0.20, 0.025),  # P
            (-110, 0.36, 0.008),  # Q
            (1100, 0.38, 0.010),  # R
            (-250, 0.405, 0.009),  # S
            (300, 0.62, 0.045),  # T
        )
    )
    gains = np.array((0.6, 1.0, 0.4, -0.8, 0.2, 0.7, -0.4, 0.3, 0.7, 1.1, 1.0, 0.8))
    wave = Dataset()
    wave.MultiplexGroupTimeOffset, wave.TriggerTimeOffset = 0, 0
    wave.WaveformOriginality = "ORIGINAL"
    wave.NumberOfWaveformChannels, wave.NumberOfWaveformSamples = len(LEADS), rate * seconds
    wave.SamplingFrequency = rate
    wave.MultiplexGroupLabel = "RHYTHM"
    wave.ChannelDefinitionSequence = [channel(number) for number in range(len(LEADS))]
    wave.WaveformBitsAllocated, wave.WaveformSampleInterpretation = 16, "SS"
    samples = np.rint(np.outer(beat, gains)).astype("<i2")
    wave.add_new("WaveformData", "OW", samples.tobytes())
    d.WaveformSequence = [wave]
    return d


def channel(number: int) -> Dataset:
    d = Dataset()
    d.ChannelLabel = LEADS[number]
    d.ChannelSourceSequence = [code(f"2:{number + 1}", "MDC", f"Lead {LEADS[number]}")]
    d.ChannelSensitivity = 1
    d.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
    d.ChannelSensitivityCorrectionFactor = 1
    d.ChannelBaseline, d.ChannelSampleSkew, d.WaveformBitsStored = 0, 0, 16
    return d


def uploaded(image: bytes) -> bytes:
    """A slice as a study of its own, for a person to upload."""
    d = dcmread(io.BytesIO(image))
    d.StudyInstanceUID, d.SeriesInstanceUID = UPLOADED.study_uid, uid("uploaded", "one")
    d.SOPInstanceUID = uid("uploaded", "one", 1)
    d.PatientName, d.PatientID = "Upload^Ursula", "DEMO-0099"
    d.StudyDescription, d.AccessionNumber = UPLOADED.description, UPLOADED.accession
    d.StudyDate = UPLOADED.date
    return part10(d)
