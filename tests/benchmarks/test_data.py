from pathlib import Path

import pydicom
import pytest

from benchmarks import data
from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.source import BytesSource


def test_small_mr_are_of_80_by_80_in_series_of_100_and_no_two_are_the_same(tmp_path: Path) -> None:
    files, _ = data.small_mr(tmp_path, 205)
    read = [pydicom.dcmread(path) for path in files]
    assert {(each.Modality, each.Rows, each.Columns) for each in read} == {("MR", 80, 80)}
    assert len({each.StudyInstanceUID for each in read}) == 1
    series = [each.SeriesInstanceUID for each in read]
    assert sorted(map(series.count, set(series))) == [5, 100, 100]
    assert len({each.SOPInstanceUID for each in read}) == len(read)
    assert len({each.PixelData for each in read}) == len(read)


def test_small_mr_have_the_headers_of_real_slices(tmp_path: Path, shared_data: Path) -> None:
    files, origin = data.small_mr(tmp_path, 1)
    real = pydicom.dcmread(min((shared_data / data.MR_SOURCE).iterdir()))
    made = pydicom.dcmread(files[0])
    assert origin == "real MR slices"
    assert len(made) == len(real) - 2  # without the two private OB values
    assert made.SeriesDescription == real.SeriesDescription
    description = describe(BytesSource(files[0].read_bytes()))
    assert description.transfer_syntax_uid == made.file_meta.TransferSyntaxUID


def test_small_mr_are_noise_where_there_are_no_real_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "SHARED", tmp_path / "nothing")
    files, origin = data.small_mr(tmp_path / "made", 2)
    assert origin == "noise"
    assert pydicom.dcmread(files[1]).pixel_array.shape == (80, 80)


def test_small_mr_are_written_once(tmp_path: Path) -> None:
    files, origin = data.small_mr(tmp_path, 3)
    files[1].write_bytes(b"kept")
    assert data.small_mr(tmp_path, 3) == (files, origin)
    assert files[1].read_bytes() == b"kept"


def test_tiny_studies_are_written_once_each_with_a_study_of_its_own(tmp_path: Path) -> None:
    files = data.tiny_files(tmp_path / "tiny", 5)
    assert [path.read_bytes() for path in files] == list(data.tiny_studies(5))
    assert len({pydicom.dcmread(path).StudyInstanceUID for path in files}) == 5
    files[1].write_bytes(b"kept")
    assert data.tiny_files(tmp_path / "tiny", 5) == files
    assert files[1].read_bytes() == b"kept"
