"""Orthanc as a DICOMweb client: it finds a study here, pulls it, and pushes one of its own."""

import io
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset

from tests.clients.npm import lacking
from tests.clients.orthanc import exchanged, missing
from tests.dicom.build import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    part10,
)

ROWS, COLUMNS = 24, 40


def shades(number: int) -> npt.NDArray[np.uint16]:
    return (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) * 9 + number).astype("<u2")


def study(study_uid: str) -> dict[str, bytes]:
    """Instances by their UIDs: native ones, implicit, of two frames, JPEG 2000, JPEG."""
    series_uid = f"{study_uid}.1"
    colours = np.stack([shades(n).astype(np.uint8) for n in (0, 60, 120)], axis=-1)
    shapes: tuple[dict[str, Any], ...] = (
        {"pixel_data": shades(1).tobytes()},
        {"pixel_data": shades(2).tobytes(), "transfer_syntax_uid": IMPLICIT_VR_LITTLE_ENDIAN},
        {"pixel_data": shades(3).tobytes() + shades(4).tobytes(), "frames": 2},
        {
            "fragments": [imagecodecs.jpeg2k_encode(shades(5), level=0, codecformat="j2k")],
            "transfer_syntax_uid": JPEG_2000_LOSSLESS,
        },
        {
            "fragments": [imagecodecs.jpeg8_encode(colours, level=95)],
            "transfer_syntax_uid": JPEG_BASELINE,
            "samples": 3,
            "bits_allocated": 8,
            "photometric": "YBR_FULL_422",
            "LossyImageCompression": "01",
        },
    )
    return {
        f"{series_uid}.{number}": part10(
            study_uid=study_uid,
            series_uid=series_uid,
            instance_uid=f"{series_uid}.{number}",
            rows=ROWS,
            columns=COLUMNS,
            InstanceNumber=str(number),
            PatientName="Wang^Xiaoming=王^小明",
            PatientID="O-1",
            StudyDate="20250301",
            **shape,
        )
        for number, shape in enumerate(shapes, 1)
    }


OURS, THEIRS = study("2.25.81001"), study("2.25.81002")


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Where the exchanged files are, and what was said."""
    if lack := missing():
        lacking(lack)
    directory = tmp_path_factory.mktemp("orthanc")
    for name, files in (("ours", OURS), ("theirs", THEIRS)):
        (directory / name).mkdir()
        for number, file in enumerate(files.values()):
            (directory / name / f"{number}.dcm").write_bytes(file)
    return directory, exchanged(directory)


def received(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in folder.glob("*.dcm")}


def data_set(file: bytes) -> bytes:
    """What follows the File Meta Information, which every sender renews (PS3.10 §7.1)."""
    (length,) = struct.unpack("<I", file[140:144])
    return file[144 + length :]


def opened(file: bytes) -> FileDataset:
    return dcmread(io.BytesIO(file))


def same(sent: bytes, arrived: bytes) -> bool:
    """Whether an instance arrived byte for byte; from Implicit VR, which never leaves (PS3.18
    §8.7.3), element for element."""
    before, after = opened(sent), opened(arrived)
    if before.file_meta.TransferSyntaxUID == IMPLICIT_VR_LITTLE_ENDIAN:
        explicit = after.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
        return explicit and before.PixelData == after.PixelData and before == after
    return data_set(sent) == data_set(arrived)


def test_orthanc_finds_the_study(after: tuple[Path, dict[str, Any]]) -> None:
    (found,) = after[1]["found"]
    assert found["00100010"]["Value"] == "Wang^Xiaoming"
    assert found["0020000D"]["Value"] == "2.25.81001"
    assert found["00080061"]["Value"] == "CT"


def test_orthanc_pulls_the_study(after: tuple[Path, dict[str, Any]]) -> None:
    directory, said = after
    assert said["pulled"]["ReceivedInstancesCount"] == str(len(OURS))
    pulled = received(directory / "pulled")
    assert set(pulled) == set(OURS)
    assert [uid for uid, file in OURS.items() if not same(file, pulled[uid])] == []


def test_orthanc_pushes_a_study(after: tuple[Path, dict[str, Any]]) -> None:
    directory, said = after
    assert said["pushed"]["InstancesCount"] == str(len(THEIRS))
    (counted,) = said["counts"]
    assert counted["00201208"]["Value"] == [len(THEIRS)]
    pushed = received(directory / "pushed")
    assert set(pushed) == set(THEIRS)
    assert [uid for uid, file in THEIRS.items() if not same(file, pushed[uid])] == []
