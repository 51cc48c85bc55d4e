"""What rules read out of replies: Part 10 files, pixels, DICOM JSON."""

import io
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import numpy
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.conformance.material import Picture, Sample
from tests.conformance.rules import Failed
from tests.conformance.site import Part, Reply

JSON = "application/dicom+json"
XML = 'multipart/related; type="application/dicom+xml"'
DICOM = 'multipart/related; type="application/dicom"'
OCTETS = 'multipart/related; type="application/octet-stream"'
AS_STORED = DICOM + "; transfer-syntax=*"

NATIVE_MODEL = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def data_set(reply: Reply, content: bytes) -> Dataset:
    """A Part 10 file taken apart. Raises Failed."""
    reply.require(content[128:132] == b"DICM", "a file with preamble and DICM (PS3.10 §7.1)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(io.BytesIO(content))
    except Exception as error:
        raise reply.failed(f"a DICOM file that can be read ({error!r})") from None


def only_file(reply: Reply) -> Dataset:
    """The data set of the only file that came."""
    parts = reply.expect(200).payloads
    reply.require(len(parts) == 1, f"one part, not {len(parts)}")
    return data_set(reply, parts[0].content)


def frames_of(dataset: Dataset) -> Picture:
    """(frames, rows, columns[, samples]), decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = dataset.pixel_array
    return array if int(dataset.get("NumberOfFrames") or 1) > 1 else array[None]


def same_pixels(reply: Reply, found: Dataset, sample: Sample, *, tolerance: int = 0) -> None:
    """Raises Failed unless the pixels are those that were sent."""
    try:
        got = frames_of(found)
    except Exception as error:
        raise reply.failed(f"pixels that can be decoded ({error!r})") from None
    wanted = numpy.stack(sample.frames)
    reply.require(got.shape == wanted.shape, f"pixels of shape {wanted.shape}, not {got.shape}")
    apart = int(numpy.abs(got.astype("i8") - wanted.astype("i8")).max())
    reply.require(apart <= tolerance, f"pixels at most {tolerance} from the stored, not {apart}")


def native(frame: Picture) -> bytes:
    """A frame as Explicit VR Little Endian has it."""
    return frame.astype(frame.dtype.newbyteorder("<")).tobytes()


def picture_of(reply: Reply, content: bytes | None = None) -> Picture:
    """A picture in a consumer format, as (rows, columns) or (rows, columns, 3)."""
    try:
        with Image.open(io.BytesIO(reply.body if content is None else content)) as image:
            shown = image if image.mode in ("L", "RGB") else image.convert("RGB")
            return numpy.asarray(shown)
    except Exception as error:
        raise reply.failed(f"a picture that can be read ({error!r})") from None


def grey(picture: Picture) -> Picture:
    """(rows, columns) in floats."""
    return picture.astype(float) if picture.ndim == 2 else picture.astype(float).mean(axis=2)


def values(item: dict[str, Any], tag: str) -> list[Any]:
    """The Value of an attribute, empty when it has none or is absent."""
    found = item.get(tag)
    return list(found.get("Value", [])) if isinstance(found, dict) else []


def first(item: dict[str, Any], tag: str) -> Any:
    found = values(item, tag)
    return found[0] if found else None


def uids(items: list[dict[str, Any]], tag: str = "0020000D") -> list[str]:
    return [str(first(item, tag)) for item in items]


def walk(item: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every attribute, those within items too, with its path: `00091006/0/00091002`."""
    for tag, element in item.items():
        here = f"{path}/{tag}" if path else tag
        yield here, element
        if isinstance(element, dict) and element.get("vr") == "SQ":
            for number, inner in enumerate(element.get("Value") or []):
                if isinstance(inner, dict):
                    yield from walk(inner, f"{here}/{number}")


def bulk_uris(item: dict[str, Any]) -> dict[str, str]:
    """Path of the attribute -> its BulkDataURI."""
    return {
        path: str(element["BulkDataURI"])
        for path, element in walk(item)
        if isinstance(element, dict) and "BulkDataURI" in element
    }


def xml_of(reply: Reply, part: Part | None = None) -> ElementTree.Element:
    """The root element of a native DICOM model document."""
    try:
        return ElementTree.fromstring(reply.body if part is None else part.content)
    except ElementTree.ParseError as error:
        raise reply.failed(f"XML that can be read ({error})") from None


def agrees(reply: Reply, part: Part, found: Dataset) -> None:
    """Raises Failed unless the part's Content-Type says the file's transfer syntax."""
    said, is_ = part.transfer_syntax, str(found.file_meta.TransferSyntaxUID)
    default = "1.2.840.10008.1.2.1"
    if (said or default) != is_:
        raise Failed(
            f"{reply.asked}: expected a Content-Type with the part's transfer syntax, seen "
            f"{part.headers.get('content-type')!r} on a file in {is_}"
        )
