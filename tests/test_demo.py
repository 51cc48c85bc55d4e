"""The demonstration archive is whole, valid, the same every time, and looks like what it says."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import FileDataset

from dicomweb_server.demo import demo_files
from dicomweb_server.demo.head import head_files
from dicomweb_server.demo.letter import letter_files
from dicomweb_server.dicom.codecs import encode_content
from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.source import BytesSource
from storage.model import Form


@pytest.fixture(scope="module")
def files() -> list[tuple[str, bytes]]:
    return list(demo_files())


@pytest.fixture(scope="module")
def instances(files: Sequence[tuple[str, bytes]]) -> list[FileDataset]:
    return [pydicom.dcmread(io.BytesIO(content)) for _, content in files]


def of_series(instances: Sequence[FileDataset], description: str) -> list[FileDataset]:
    found = [d for d in instances if description in d.SeriesDescription]
    assert found, description
    return found


def hounsfield(dataset: FileDataset) -> npt.NDArray[np.int_]:
    return dataset.pixel_array.astype(int) + int(dataset.RescaleIntercept)


def at(image: npt.NDArray[np.int_], x: float, y: float) -> float:
    """The mean around a place in mm from the middle."""
    row, column = round(256 + y / 0.78125), round(256 + x / 0.78125)
    return float(image[row - 3 : row + 4, column - 3 : column + 4].mean())


def test_the_archive_has_one_study_of_each_kind_and_two_of_one_patient(
    instances: Sequence[FileDataset],
) -> None:
    series = Counter((str(d.PatientID), str(d.StudyDate), str(d.Modality)) for d in instances)

    assert series == {
        ("DEMO-0001", "20250918", "CT"): 204,
        ("DEMO-0001", "20250918", "DOC"): 1,
        ("DEMO-0001", "20240911", "CT"): 124,
        ("DEMO-0002", "20250603", "MR"): 28,
        ("DEMO-0003", "20250414", "US"): 1,
        ("DEMO-0004", "20241205", "CR"): 1,
    }


def test_every_object_has_uids_and_names_of_its_own(
    files: Sequence[tuple[str, bytes]], instances: Sequence[FileDataset]
) -> None:
    assert len({name for name, _ in files}) == len(files)
    assert len({d.SOPInstanceUID for d in instances}) == len(files)
    assert all(uid.is_valid for d in instances for uid in (d.SOPInstanceUID, d.SeriesInstanceUID))


def test_names_are_chinese_and_latin(instances: Sequence[FileDataset]) -> None:
    names = {str(d.PatientName) for d in instances}

    assert names == {
        "Zhang^Wei=张^伟",
        "Müller^Jürgen",
        "García López^María José",
        "Wang^Xiaoming=王^小明",
    }


def test_every_object_is_described_as_any_other(files: Sequence[tuple[str, bytes]]) -> None:
    frames = Counter(describe(BytesSource(content)).frames.count for _, content in files)

    assert frames == {1: 357, 28: 1, 0: 1}


def test_the_archive_is_the_same_every_time() -> None:
    def digest() -> str:
        small = [content for _, content in (*head_files(), *letter_files())]
        return hashlib.sha256(b"".join(small)).hexdigest()

    assert digest() == digest()


def test_the_slices_of_the_ct_lie_evenly(instances: Sequence[FileDataset]) -> None:
    places = [d.ImagePositionPatient for d in of_series(instances, "CAP")]

    assert {(p[0], p[1]) for p in places} == {(places[0][0], places[0][1])}
    assert np.allclose(np.diff([p[2] for p in places]), -3)
    assert len({d.FrameOfReferenceUID for d in of_series(instances, "CAP")}) == 1


def test_organs_have_the_densities_of_organs(instances: Sequence[FileDataset]) -> None:
    slices = {round(float(d.SliceLocation)): d for d in of_series(instances, "CAP")}

    chest = hounsfield(slices[124])
    assert at(chest, -100, 0) < -700, "lung"
    assert 110 < at(chest, 24, 34) < 190, "aorta"
    belly = hounsfield(slices[-14])
    assert 90 < at(belly, -80, -20) < 135, "liver"
    assert -130 < at(belly, 0, -100) < -70, "fat under the skin"
    assert at(belly, 0, -190) < -950, "air"
    assert belly[0, 0] + 1024 == slices[-14].PixelPaddingValue


def test_the_nodule_has_grown_in_a_year(instances: Sequence[FileDataset]) -> None:
    def solid(description: str) -> int:
        (dataset,) = [
            d for d in of_series(instances, description) if float(d.SliceLocation) == 196.5
        ]
        row, column = 256 + round(2 / 0.78125), 256 + round(-78 / 0.78125)
        around = hounsfield(dataset)[row - 14 : row + 15, column - 14 : column + 15]
        return int((around > -300).sum())

    assert solid("CAP") > 2 * solid("Chest 3 mm")


def test_ct_frames_settle_as_htj2k_and_shrink_as_real_ones(
    files: Sequence[tuple[str, bytes]], instances: Sequence[FileDataset]
) -> None:
    description = describe(BytesSource(files[100][1]))

    form, payload = encode_content(description.pixels, instances[100].PixelData)

    assert form is Form.HTJ2K
    assert 2.5 < 524288 / len(payload) < 6


def test_the_slices_of_the_mr_are_tilted(instances: Sequence[FileDataset]) -> None:
    series = of_series(instances, "t2")
    along = np.array(series[0].ImageOrientationPatient, float)
    normal = np.cross(along[:3], along[3:])
    steps = np.diff([np.array(d.ImagePositionPatient, float) for d in series], axis=0)

    assert abs(normal[1]) > 0.2
    assert np.allclose(steps, 5 * normal, atol=1e-4)


def test_the_ultrasound_beats_in_colour(instances: Sequence[FileDataset]) -> None:
    (cine,) = of_series(instances, "Apical")
    frames = cine.pixel_array

    assert frames.shape == (28, 600, 800, 3)
    assert (frames[15].max(axis=-1).astype(int) - frames[15].min(axis=-1) > 60).sum() > 3000
    assert np.abs(frames[0].astype(int) - frames[8]).mean() > 1
    (region,) = cine.SequenceOfUltrasoundRegions
    assert region.PhysicalDeltaX == pytest.approx(0.03)


def test_the_radiograph_is_dark_where_the_lungs_are(instances: Sequence[FileDataset]) -> None:
    (film,) = of_series(instances, "Chest PA")
    image = film.pixel_array

    assert film.PhotometricInterpretation == "MONOCHROME1"
    assert image.shape == (2140, 1760)
    lung, heart = image[700:900, 400:600].mean(), image[1000:1200, 1050:1200].mean()
    assert lung > heart + 300


def test_the_report_is_a_pdf(instances: Sequence[FileDataset]) -> None:
    (report,) = of_series(instances, "Report")
    document = report.EncapsulatedDocument

    assert document.startswith(b"%PDF-1.4")
    start = int(document.split(b"startxref\n")[1].split(b"\n")[0])
    assert document[start:].startswith(b"xref")
    assert report.EncapsulatedDocumentLength == len(document.rstrip(b"\0"))
