"""What is loaded into the peers: a 500-slice CT of real slices, small MR images cut out of real
ones, and many small studies.

The real slices come from the folder of real DICOM files beside the project; without it the phantom
of `dicomweb-server demo` stands in, and the report says so. Repeating a slice as it is would
flatter an archive that keeps equal contents once, so each copy is another orientation of it (eight
there are), which compresses as the original does.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SOURCES = ("ct-head-140", "ct-head-ge-28")
MR_SOURCE = "mr-mprage-96"
SLICES = 500

SMALL_MR = 80
"""Rows and columns of a small MR image: functional and diffusion series have thousands of these."""

SMALL_MR_SERIES = 100
"""Images in a series of them."""

FAMILIES = "WANG LI ZHANG LIU CHEN YANG HUANG ZHAO WU ZHOU XU SUN MA ZHU HU GUO HE LIN GAO LUO"
GIVEN = (
    "WEI FANG NA XIUYING MIN JING LI QIANG LEI JUN YANG YONG YAN JIE TAO MING CHAO XIA PING GANG"
)
RARE = "OLGAXIA"


@dataclass(frozen=True, slots=True)
class Study:
    """What a search may ask of a small study."""

    number: int
    patient_id: str
    name: str
    accession: str
    date: str
    modality: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series on disk: its UIDs and its files, in slice order."""

    study_uid: str
    series_uid: str
    instance_uids: tuple[str, ...]
    files: tuple[Path, ...]
    origin: str

    def frame_paths(self) -> list[str]:
        """The path of each slice's frame below a DICOMweb root."""
        return [f"{self.instance_path(uid)}/frames/1" for uid in self.instance_uids]

    def instance_path(self, instance_uid: str) -> str:
        return f"{self.path}/instances/{instance_uid}"

    @property
    def path(self) -> str:
        return f"/studies/{self.study_uid}/series/{self.series_uid}"


def _uid(*entropy: object) -> UID:
    return generate_uid(entropy_srcs=["dicomweb-server benchmark", *map(str, entropy)])


def _begun(sop_class_uid: UID) -> pydicom.Dataset:
    """A data set of that class in Explicit VR Little Endian, with nothing else in it yet."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class_uid
    return dataset


def _orientation(pixels: np.ndarray, number: int) -> np.ndarray:
    turned = np.rot90(pixels, number % 4)
    return np.ascontiguousarray(np.fliplr(turned) if number >= 4 else turned)


def _slices(folder: Path | None) -> tuple[list[pydicom.Dataset], str]:
    folders = [folder] if folder else [SHARED / name for name in SOURCES]
    files = [path for place in folders if place.is_dir() for path in sorted(place.iterdir())]
    found: list[pydicom.Dataset] = []
    for path in files:
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" in dataset and (dataset.Rows, dataset.Columns) == (512, 512):
            found.append(dataset)
    if found:
        return found, "real CT slices"
    from dicomweb_server.demo import demo_files

    for _, content in demo_files():
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))
        if dataset.get("Modality") == "CT" and len(found) < 150:
            found.append(dataset)
    return found, "phantom CT slices"


def ct500(directory: Path, *, slices: Path | None = None, count: int = SLICES) -> Series:
    """A CT of `count` slices of 512x512 in Explicit VR Little Endian, written once and reused."""
    directory.mkdir(parents=True, exist_ok=True)
    study, series, frame = _uid("study"), _uid("series", count), _uid("frame of reference")
    uids = [_uid("instance", count, number) for number in range(count)]
    paths = [directory / f"{number:04}.dcm" for number in range(count)]
    origin = directory / "origin.txt"
    if not (origin.is_file() and all(path.is_file() for path in paths)):
        templates, words = _slices(slices)
        for number, (uid, path) in enumerate(zip(uids, paths, strict=True)):
            dataset = templates[number % len(templates)].copy()
            dataset.decompress() if dataset.file_meta.TransferSyntaxUID.is_compressed else None
            pixels = np.frombuffer(dataset.PixelData, dtype="<u2").reshape(512, 512)
            dataset.PixelData = _orientation(pixels, number // len(templates) % 8).tobytes()
            dataset.PatientID, dataset.PatientName = "BENCH-CT", "BENCH^CT"
            dataset.AccessionNumber = "BENCHCT"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
            dataset.FrameOfReferenceUID = frame
            dataset.SOPInstanceUID = uid
            dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.InstanceNumber = number + 1
            dataset.ImagePositionPatient = [-120, -120, number * 0.5]
            dataset.SliceLocation = number * 0.5
            dataset.save_as(path, enforce_file_format=True)
        origin.write_text(words)
    return Series(study, series, tuple(uids), tuple(paths), origin.read_text())


def large_study(directory: Path, series: Series, *, repeats: int = 14) -> tuple[str, list[Path]]:
    """A study of `repeats` times as many instances as `series` has, their headers as they are there
    and pixels of 8x8: its UID and its files, written once and reused."""
    directory.mkdir(parents=True, exist_ok=True)
    study = _uid("large study", repeats)
    paths = [directory / f"{number:05}.dcm" for number in range(repeats * len(series.files))]
    if not all(path.is_file() for path in paths):
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in series.files]
        for number, path in enumerate(paths):
            dataset = headers[number % len(headers)]
            part, uid = number // len(headers), _uid("large instance", repeats, number)
            dataset.StudyInstanceUID, dataset.AccessionNumber = study, "BENCHLARGE"
            dataset.SeriesInstanceUID, dataset.SeriesNumber = _uid("large series", part), part + 1
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
            dataset.Rows = dataset.Columns = 8
            dataset.add_new("PixelData", "OW", number.to_bytes(8, "little") * 16)
            dataset.save_as(path, enforce_file_format=True)
    return study, paths


def small_mr(directory: Path, count: int) -> tuple[list[Path], str]:
    """MR images of 80x80 in series of 100, one study, in Explicit VR Little Endian, written once
    and reused: their files, and what they were made from.

    Each is a window of its own out of a real slice, with that slice's header but for its private
    OB values: some 90 kB, the same in a whole series, which an archive that keeps equal contents
    once would be flattered by. Noise under a short header when there are no real slices.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{number:05}.dcm" for number in range(count)]
    origin = directory / "origin.txt"
    if origin.is_file() and all(path.is_file() for path in paths):
        return paths, origin.read_text()
    templates, words = _mr_templates()
    study = _uid("small MR study")
    for number, path in enumerate(paths):
        turn, which = divmod(number, len(templates))
        dataset, pixels = templates[which]
        row, column = turn % 128 + 24, turn // 128 % 128 + 24
        window = pixels[row : row + SMALL_MR, column : column + SMALL_MR]
        part, place = divmod(number, SMALL_MR_SERIES)
        uid = _uid("small MR", number)
        dataset.PatientID, dataset.PatientName = "BENCH-MR", "BENCH^MR"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = _uid("small MR series", part)
        dataset.SeriesNumber, dataset.InstanceNumber = part + 1, place + 1
        dataset.Rows = dataset.Columns = SMALL_MR
        dataset.PixelData = np.ascontiguousarray(window).tobytes()
        dataset.save_as(path, enforce_file_format=True)
    origin.write_text(words)
    return paths, words


def _mr_templates() -> tuple[list[tuple[pydicom.Dataset, np.ndarray]], str]:
    """Headers of MR images, each with the pixels of its slice, of 256x256."""
    folder = SHARED / MR_SOURCE
    if folder.is_dir():
        return [_mr_template(path) for path in sorted(folder.iterdir())], "real MR slices"
    return [_noise_template()], "noise"


def _mr_template(path: Path) -> tuple[pydicom.Dataset, np.ndarray]:
    dataset = pydicom.dcmread(path)
    pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    for element in list(dataset):
        if element.tag.is_private and element.VR == "OB":
            del dataset[element.tag]
    return dataset, pixels


def _noise_template() -> tuple[pydicom.Dataset, np.ndarray]:
    dataset = _begun(MRImageStorage)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation, dataset.Modality = "MONOCHROME2", "MR"
    return dataset, np.random.default_rng(5).integers(0, 4096, (256, 256), np.uint16)


def head_ct() -> Series | None:
    """The real head CT beside the project, as it is; None when it is not there."""
    folder = SHARED / SOURCES[0]
    if not folder.is_dir():
        return None
    headers = [
        (pydicom.dcmread(path, stop_before_pixels=True, force=True), path)
        for path in folder.iterdir()
    ]
    headers.sort(key=lambda each: int(each[0].InstanceNumber))
    first = headers[0][0]
    return Series(
        first.StudyInstanceUID,
        first.SeriesInstanceUID,
        tuple(header.SOPInstanceUID for header, _ in headers),
        tuple(path for _, path in headers),
        "real head CT",
    )


def studies(count: int, *, seed: int = 7) -> Iterator[Study]:
    """`count` studies over sixteen years; common names take their share as in a real register
    (ZHANG 5 %, given names with WEI 4 %), and one in 3,000 is called as nobody else."""
    draw = random.Random(seed)
    families, given = FAMILIES.split(), GIVEN.split()
    for number in range(count):
        first = RARE if draw.randrange(3000) == 0 else draw.choice(given)
        yield Study(
            number=number,
            patient_id=f"P{number // 2:07}",
            name=f"{draw.choice(families)}^{first} {draw.choice(given)}{number % 997}",
            accession=f"A{number:08}",
            date=f"{draw.randrange(2010, 2026)}{draw.randrange(1, 13):02}"
            f"{draw.randrange(1, 29):02}",
            modality=draw.choice(("CT", "CT", "CT", "MR", "MR", "CR", "DX", "DX", "US", "PT")),
        )


def tiny_files(directory: Path, count: int) -> list[Path]:
    """The files of `tiny_studies`, written once and reused."""
    paths = [directory / f"{number:06}.dcm" for number in range(count)]
    made = directory / "made"
    if not made.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, tiny_studies(count), strict=True):
            path.write_bytes(content)
        made.touch()
    return paths


def tiny_studies(count: int) -> Iterator[bytes]:
    """`count` studies of one 8x8 instance each, as Part 10 bytes, of the people of `studies`."""
    template = _begun(CTImageStorage)
    template.Rows = template.Columns = 8
    template.BitsAllocated = template.BitsStored = 8
    template.HighBit, template.PixelRepresentation = 7, 0
    template.SamplesPerPixel, template.PhotometricInterpretation = 1, "MONOCHROME2"
    template.SeriesNumber = template.InstanceNumber = 1
    for study in studies(count):
        uid = _uid("tiny", study.number)
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = uid
        template.StudyInstanceUID = _uid("tiny study", study.number)
        template.SeriesInstanceUID = _uid("tiny series", study.number)
        template.PatientID, template.PatientName = study.patient_id, study.name
        template.AccessionNumber, template.Modality = study.accession, study.modality
        template.StudyDate = study.date
        template.StudyTime = f"{study.number % 24:02}{study.number % 60:02}00"
        template.StudyDescription = "CHEST ROUTINE"
        template.PixelData = study.number.to_bytes(8, "little") * 8
        buffer = BytesIO()
        template.save_as(buffer, enforce_file_format=True)
        yield buffer.getvalue()
