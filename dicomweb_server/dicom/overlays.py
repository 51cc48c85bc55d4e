"""Overlay planes of an image (PS3.3 §C.9.2): graphics of one bit a pixel, drawn white.

They are values of their own (60xx,3000), or, retired, bits of the samples that no pixel value uses.
Regions of interest (type R) are not drawn: they mark what is beneath them.
"""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomweb_server.dicom.decode import Array
from dicomweb_server.dicom.errors import NotInDataSet
from dicomweb_server.dicom.lookup_tables import FetchBulk, Json
from dicomweb_server.dicom.resizing import Picture

Mask = npt.NDArray[np.bool_]

_PLANES = tuple(f"{group:04X}" for group in range(0x6000, 0x6020, 2))


def planes(document: Json) -> list[str]:
    """The groups (60xx) of overlay planes that a document has elements of."""
    present = {tag[:4] for tag in document}
    return [group for group in _PLANES if group in present]


@dataclass(frozen=True, slots=True)
class Overlay:
    """row, column  of the image, from 0, where the first pixel of the plane lies; may be below 0"""

    plane: Mask
    row: int
    column: int

    def draw(self, picture: Picture) -> None:
        """White where the plane is set and lies on the picture."""
        rows, columns = picture.shape[:2]
        top, left = max(self.row, 0), max(self.column, 0)
        plane = self.plane[top - self.row :, left - self.column :]
        plane = plane[: max(rows - top, 0), : max(columns - left, 0)]
        picture[top : top + plane.shape[0], left : left + plane.shape[1]][plane] = 255


def overlays(
    document: Json, values: Array | None, *, frame_index: int, fetch: FetchBulk | None
) -> Iterator[Overlay]:
    """The graphics of a frame.

    values  samples with the bits above the stored ones, None when they are not at hand
    """
    for group in planes(document):
        if str(_first(document, f"{group}0040", "")).strip() != "G":
            continue
        rows, columns = _number(document, f"{group}0010"), _number(document, f"{group}0011")
        origin = document.get(f"{group}0050", {}).get("Value") or [1, 1]
        # Frames of the plane are those of the image from Image Frame Origin on.
        number = frame_index - (_number(document, f"{group}0051") or 1) + 1
        if not rows or not columns or not 0 <= number < (_number(document, f"{group}0015") or 1):
            if f"{group}0015" in document or not rows or not columns:
                continue
            number = 0
        plane = _plane(document, f"{group}3000", rows * columns, number, fetch)
        if plane is None:
            plane = _embedded(values, _number(document, f"{group}0102"), rows, columns)
        if plane is not None and len(origin) == 2:
            yield Overlay(plane.reshape(rows, columns), int(origin[0]) - 1, int(origin[1]) - 1)


def _plane(
    document: Json, tag: str, pixels: int, number: int, fetch: FetchBulk | None
) -> Mask | None:
    element = document.get(tag, {})
    try:
        if "InlineBinary" in element:
            packed = b64decode(element["InlineBinary"])
        elif "BulkDataURI" in element and fetch is not None:
            packed = fetch(tag)
        else:
            return None
    except (ValueError, TypeError, NotInDataSet):
        return None
    start = number * pixels
    octets = np.frombuffer(packed, np.uint8)[start // 8 : (start + pixels + 7) // 8]
    bits = np.unpackbits(octets, bitorder="little")[start % 8 :][:pixels]
    return bits.astype(bool) if len(bits) == pixels else None


def _embedded(values: Array | None, position: int, rows: int, columns: int) -> Mask | None:
    if values is None or values.dtype.kind not in "iu" or values.shape != (rows, columns):
        return None
    if not 0 < position < values.itemsize * 8:
        return None
    bits: Mask = (values.view(f"u{values.itemsize}") >> position & 1).astype(bool)
    return bits


def _first(document: Json, tag: str, default: object) -> object:
    values = document.get(tag, {}).get("Value") or [default]
    return values[0]


def _number(document: Json, tag: str) -> int:
    value = _first(document, tag, 0)
    return int(value) if isinstance(value, int | float) else 0
