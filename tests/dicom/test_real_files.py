"""Every DICOM file at hand, against pydicom: pydicom's own test data and the real files beside us.

For each: skeleton and contents are the file; the metadata is `Dataset.to_json_dict` after the rules
of PS3.18 §F.2 that pydicom does not follow (`as_the_standard_says`); the frames' bytes are those
that pydicom finds. What is refused, and where pydicom is not followed, is listed with the reason.
"""

import io
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pydicom.data
from pydicom.encaps import generate_frames

from dicomweb_server.dicom import json_model
from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.errors import DicomError, Malformed, NotDicom
from dicomweb_server.dicom.part10 import Limits, Opened, open_data_set
from dicomweb_server.dicom.source import BytesSource
from tests.dicom.test_describe import content, rebuilt

NO_STUDY = (Malformed, "(0020,000D) is missing or empty")
"""Made for decoders, without identity: there is nothing to file them under."""

REFUSED: dict[str, tuple[type[DicomError], str]] = {
    # not DICOM at all
    "FileInfo.txt": (NotDicom, ""),
    "README.txt": (NotDicom, ""),
    "README": (NotDicom, ""),
    "README.md": (NotDicom, ""),
    "crayons.icc": (NotDicom, ""),
    "rtplan.dump": (NotDicom, ""),
    "rtstruct.dump": (NotDicom, ""),
    "test1.json": (NotDicom, ""),
    "test_PN.json": (NotDicom, ""),
    "zipMR.gz": (NotDicom, ""),
    # a stray byte in front of a data set without a header
    "no_meta.dcm": (NotDicom, ""),
    # ends in the middle of a value: a transfer that broke off is not an instance
    "MR_truncated.dcm": (Malformed, "(7FE0,0010) claims 8192 bytes, 8130 are left"),
    "rtplan_truncated.dcm": (Malformed, "(300A,00B0) claims 976 bytes, 711 are left"),
    # a UID that is a hash, neither digits nor dots
    "data_store__data__bad_sequence.dcm": (Malformed, "(0020,000D) is '05fa52"),
    "JPEGLSNearLossless_08.dcm": NO_STUDY,
    "JPEGLSNearLossless_16.dcm": NO_STUDY,
    "SC_rgb_jls_lossy_line.dcm": NO_STUDY,
    "SC_rgb_jls_lossy_sample.dcm": NO_STUDY,
    "UN_sequence.dcm": NO_STUDY,
    "chrSQEncoding.dcm": NO_STUDY,
    "chrSQEncoding1.dcm": NO_STUDY,
    "empty_charset_LEI.dcm": NO_STUDY,
    "meta_missing_tsyntax.dcm": NO_STUDY,
    "nested_priv_SQ.dcm": NO_STUDY,
    "no_meta_group_length.dcm": NO_STUDY,
    "priv_SQ.dcm": NO_STUDY,
    "data_store__data__HTJ2KLossless_08_RGB.dcm": NO_STUDY,
    "data_store__data__HTJ2K_08_RGB.dcm": NO_STUDY,
    "data_store__data__JLSL_08_07_0_1F.dcm": NO_STUDY,
    "data_store__data__JLSL_16_15_1_1F.dcm": NO_STUDY,
    "ljdata__ds__JPEGLosslessSV1__JPEGLosslessP14SV1_1s_1f_u_16_16.dcm": NO_STUDY,
}

PYDICOM_RAISES = {
    # IS of "1A": to_json_dict raises ValueError; ours is the string (PS3.18 §F.2.3, note)
    "badVR.dcm",
}

PYDICOM_READS_LESS = {
    # The last delimiter is missing: dcmread warns and returns an empty data set.
    "data_store__data__emri_small_jpeg_2k_lossless_too_short.dcm",
    # An item claims 24 bytes more than its sequence has: dcmread reads over the end of it, ours
    # takes the sequence as one opaque value. It is a DICOMDIR, which is no instance anyway.
    "DICOMDIR-nooffset",
}

BIG_ENDIAN_WORDS = {
    # InlineBinary is little endian (PS3.18 §F.2.7); pydicom gives the words as they lie.
    "data_store__data__OBXXXX1A_expb.dcm": ("00281201", "00281202", "00281203"),
    "data_store__data__OBXXXX1A_expb_2frame.dcm": ("00281201", "00281202", "00281203"),
}


def pydicom_files() -> list[Path]:
    """What is installed with pydicom; its `get_testdata_files` would download the rest."""
    root = Path(pydicom.data.__file__).parent
    found = [*(root / "test_files").rglob("*"), *(root / "charset_files").rglob("*")]
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")


def real_files(shared_data: Path) -> list[Path]:
    return sorted(path for path in shared_data.rglob("*") if path.is_file())


def check_all(files: list[Path]) -> None:
    """Looks at every file before it fails, so that one run names all that is wrong."""
    assert files
    wrong = [f"{path.name}: {fault}" for path in files for fault in faults(path)]
    assert not wrong, "\n".join(wrong[:40])


def test_pydicoms_own_files() -> None:
    check_all(pydicom_files())


def test_real_files_of_many_scanners(shared_data: Path) -> None:
    check_all(real_files(shared_data))


def faults(path: Path) -> Iterator[str]:
    file = path.read_bytes()
    source = BytesSource(file)
    refusal = REFUSED.get(path.name)
    try:
        opened = open_data_set(source, limits=Limits())
    except DicomError as error:
        yield from refused_otherwise(error, refusal)
        return
    theirs = read_by_pydicom(file)
    if path.name not in PYDICOM_READS_LESS:
        yield from faults_of_metadata(path, opened, theirs)
    try:
        found = describe(source)
    except DicomError as error:
        if not ("DICOMDIR" in str(error) and "dicomdir" in str(path).lower()):
            yield from refused_otherwise(error, refusal)
        return
    if refusal is not None:
        yield "is accepted, the list says it is refused"
    if b"".join(rebuilt(source, found)) != file:
        yield "skeleton and contents are not the file"
    if path.name not in PYDICOM_READS_LESS:
        yield from faults_of_frames(source, found, theirs)


def refused_otherwise(
    error: DicomError, refusal: tuple[type[DicomError], str] | None
) -> Iterator[str]:
    if refusal is None:
        yield f"is refused: {error}"
    elif not isinstance(error, refusal[0]) or refusal[1] not in str(error):
        yield f"is refused for another reason than listed: {error}"


def read_by_pydicom(file: bytes) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(file), force=True)


def faults_of_metadata(path: Path, opened: Opened, theirs: pydicom.Dataset) -> Iterator[str]:
    ours = orjson.loads(json_model.encode(json_model.document(opened.structure)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs.to_json_dict(
                bulk_data_threshold=1024, bulk_data_element_handler=lambda element: "bulk"
            )
    except ValueError:
        if path.name not in PYDICOM_RAISES:
            yield "pydicom's to_json_dict raises"
        return
    expected = as_the_standard_says(expected, path=json_model.BULK_DATA)
    for tag in BIG_ENDIAN_WORDS.get(path.name, ()):
        del ours[tag], expected[tag]
    if list(ours) != list(expected):
        yield f"attributes {sorted(set(ours) ^ set(expected))} or their order differ"
    yield from (
        f"{tag} is {ours[tag]!r:.200}, pydicom says {expected[tag]!r:.200}"
        for tag in ours
        if tag in expected and ours[tag] != expected[tag]
    )


def as_the_standard_says(document: dict[str, Any], *, path: str) -> dict[str, Any]:
    """pydicom's JSON with what PS3.18 §F.2 asks and pydicom leaves out, and with our URIs.

    §F.2.2: ascending, no group lengths, non-empty name components only. §F.2.5: no empty Value,
    null for an empty value. Pixel Data is bulk data whatever its length.
    """
    result = {}
    for tag in sorted(document):
        if tag.endswith("0000"):
            continue
        element = document[tag]
        vr = element["vr"]
        pixels = tag == "7FE00010" and path == json_model.BULK_DATA
        if "BulkDataURI" in element or (pixels and len(element) > 1):
            result[tag] = {"vr": vr, "BulkDataURI": path + tag}
            continue
        values = element.get("Value")
        if values is None:
            result[tag] = element
            continue
        if vr == "SQ":
            values = [
                as_the_standard_says(item, path=f"{path}{tag}/{n}/")
                for n, item in enumerate(values)
            ]
        elif vr == "PN":
            values = [{group: part for group, part in name.items() if part} for name in values]
        else:
            values = [None if empty(value) else value for value in values]
        result[tag] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return result


def empty(value: Any) -> bool:
    return value == "" or (isinstance(value, float) and not math.isfinite(value))


def faults_of_frames(
    source: BytesSource, found: Description, theirs: pydicom.Dataset
) -> Iterator[str]:
    keyword = next(
        (
            each
            for each in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
            if each in theirs
        ),
        None,
    )
    if keyword is None:
        if found.frames.count or found.pixels:
            yield "has frames, but no pixel data"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = theirs[keyword].value
    count = theirs.get("NumberOfFrames", 1)
    count = int(count) if isinstance(count, int) and count else 1
    if found.frames.count != count:
        yield f"has {count} frames, {found.frames.count} were found"
        return
    assert found.pixels is not None
    frames = [
        b"".join(content(source, found, n) for n in found.frames.blobs_of(frame))
        for frame in range(count)
    ]
    if found.pixels.encapsulated:
        tables = None
        if "ExtendedOffsetTable" in theirs:
            tables = (theirs.ExtendedOffsetTable, theirs.ExtendedOffsetTableLengths)
        expected = list(generate_frames(value, number_of_frames=count, extended_offsets=tables))
        if frames != expected:
            yield "frames are not pydicom's"
        return
    if found.frames.packed_bits:
        frames = frames[::8]
    joined = b"".join(frames)
    bits = found.pixels.rows * found.pixels.columns * found.pixels.samples
    bits *= found.pixels.bits_allocated * count
    if found.pixels.photometric == "YBR_FULL_422" and len(value) * 8 < bits:
        bits = bits // 3 * 2
    if not value.startswith(joined) or len(joined) - (bits + 7) // 8 not in (0, 1):
        yield f"native frames are {len(joined)} bytes, the pixels {bits} bits"


def test_the_lists_name_no_file_that_is_gone(shared_data: Path) -> None:
    names = {path.name for path in [*pydicom_files(), *real_files(shared_data)]}
    listed = {*REFUSED, *PYDICOM_RAISES, *PYDICOM_READS_LESS, *BIG_ENDIAN_WORDS}
    assert not listed - names
