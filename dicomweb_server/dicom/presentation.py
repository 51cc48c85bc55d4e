"""Softcopy presentation states (PS3.3 §A.33, PS3.4 §N): how an image is to be shown.

A state replaces what the image says of its own modality and VOI transformations and of its polarity
(PS3.4 §N.2), and adds a displayed area, turns, mirroring, a shutter, lines and texts. What of it is
drawn: window or VOI LUT, modality LUT, presentation LUT shape, spatial transformation, displayed
area, rectangular, circular and polygonal shutters, graphic objects and unformatted texts in units
of PIXEL and DISPLAY. Layers are not told apart by colour, and overlays are not activated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from dicomweb_server.dicom.annotations import Label, Line
from dicomweb_server.dicom.lookup_tables import Json
from dicomweb_server.dicom.render import aspect
from dicomweb_server.dicom.resizing import Picture, View

SOP_CLASSES = "1.2.840.10008.5.1.4.1.1.11."
"""What the UIDs of presentation states begin with."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The image a state shows; `frame_number` from 1."""

    series_uid: str
    instance_uid: str
    frame_number: int


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one image is shown.

    document     the image's DICOM JSON as the state has it
    photometric  MONOCHROME2, or MONOCHROME1 where the state inverts
    view         part, turns and mirroring
    luts         where the bulk data of sequences in `document` lies in the state: by the sequence,
                 what its path begins with there
    """

    document: Json
    photometric: str
    view: View
    luts: dict[str, str]
    state: Json
    reference: Reference

    def shuttered(self, picture: Picture) -> Picture:
        """The whole image, black outside of the shutter (PS3.3 §C.7.6.11)."""
        shapes = _values(self.state, "00181600")
        rows, columns = picture.shape[0], picture.shape[1]
        visible = np.ones((rows, columns), bool)
        if "RECTANGULAR" in shapes:
            left, right, top, bottom = (
                int(_number(self.state, tag, 0))
                for tag in ("00181602", "00181604", "00181606", "00181608")
            )
            inside = np.zeros_like(visible)
            inside[max(top - 1, 0) : max(bottom, 0), max(left - 1, 0) : max(right, 0)] = True
            visible &= inside
        if "CIRCULAR" in shapes and len(center := _values(self.state, "00181610")) == 2:
            radius = _number(self.state, "00181612", 0)
            down = np.arange(rows)[:, None] - (float(center[0]) - 1)
            across = np.arange(columns)[None, :] - (float(center[1]) - 1)
            visible &= down**2 + across**2 <= radius**2
        corners = [float(value) for value in _values(self.state, "00181620")]
        if "POLYGONAL" in shapes and len(corners) >= 6:
            # Corners are pixels, row before column; their outline belongs to what is shown.
            points = [(x - 1, y - 1) for y, x in zip(corners[::2], corners[1::2], strict=False)]
            cover = Image.new("1", (columns, rows))
            ImageDraw.Draw(cover).polygon(points, fill=1, outline=1)
            visible &= np.asarray(cover)
        if visible.all():
            return picture
        shown = np.array(picture)
        shown[~visible] = 0
        return shown

    def marks(self, *, rows: int, columns: int) -> tuple[list[Label], list[Line]]:
        """Texts and lines of the state, where they lie on a picture of the view with that many
        rows and columns."""
        labels: list[Label] = []
        lines: list[Line] = []
        for annotation in _items(self.state, "00700001"):
            if not _names(annotation, self.reference):
                continue
            for each in _items(annotation, "00700009"):
                points = self._placed(each, "00700022", "00700005", rows, columns)
                kind = str(next(iter(_values(each, "00700023")), ""))
                filled = next(iter(_values(each, "00700024")), "N") == "Y"
                lines += _drawn(kind, points, filled=filled)
            for each in _items(annotation, "00700008"):
                points = self._placed(each, "00700010", "00700003", rows, columns)
                points = points or self._placed(each, "00700014", "00700004", rows, columns)
                said = str(next(iter(_values(each, "00700006")), ""))
                labels += [Label(said.replace("\r", ""), *point) for point in points[:1]]
        return labels, lines

    def _placed(
        self, item: Json, tag: str, units: str, rows: int, columns: int
    ) -> list[tuple[float, float]]:
        numbers = [float(value) for value in _values(item, tag)]
        pairs = zip(numbers[::2], numbers[1::2], strict=False)
        if next(iter(_values(item, units)), "PIXEL") == "DISPLAY":
            return [(x * columns, y * rows) for x, y in pairs]
        return [self._point(x, y, rows, columns) for x, y in pairs]

    def _point(self, x: float, y: float, rows: int, columns: int) -> tuple[float, float]:
        """Of an image coordinate, 0\\0 being the first pixel's outer corner (PS3.3 §C.10.5.1.1)."""
        view = self.view
        across, down = (x - view.left) / view.width, (y - view.top) / view.height
        for _ in range(view.quarters):
            across, down = 1 - down, across
        if view.mirrored:
            across = 1 - across
        return across * columns, down * rows


def references(state: Json) -> Iterator[Reference]:
    """The images a state refers to, in order (PS3.3 §C.11.11)."""
    for series in _items(state, "00081115"):
        uid = str(next(iter(_values(series, "0020000E")), ""))
        for image in _items(series, "00081140"):
            number = int(next(iter(_values(image, "00081160")), 1))
            yield Reference(uid, str(next(iter(_values(image, "00081155")), "")), number)


def presentation(
    state: Json, image: Json, reference: Reference, *, rows: int, columns: int
) -> Presentation:
    """How the state shows that image of that many rows and columns."""
    document = {
        tag: element
        for tag, element in image.items()
        if tag not in _SUPERSEDED and tag[:4] not in _OVERLAYS
    }
    # The size of pixels may be the frame's; the transformations of a frame are not to be used.
    height = aspect(image, reference.frame_number - 1)
    document["00280034"] = {"vr": "IS", "Value": [height, 1]}
    luts = {"00283000": "00283000"}
    for tag in ("00281052", "00281053", "00283000"):
        if tag in state:
            document[tag] = state[tag]
    for number, item in enumerate(_items(state, "00283110")):
        if _names(item, reference):
            luts["00283010"] = f"00283110/{number}/00283010"
            document |= {tag: item[tag] for tag in _VOI if tag in item}
            break
    inverse = next(iter(_values(state, "20500020")), "IDENTITY") == "INVERSE"
    view = _view(state, reference, rows=rows, columns=columns)
    return Presentation(
        document,
        "MONOCHROME1" if inverse else "MONOCHROME2",
        view,
        luts,
        state,
        reference,
    )


_VOI = ("00281050", "00281051", "00281056", "00283010")
_SUPERSEDED = frozenset({*_VOI, "00281052", "00281053", "00283000", "52009229", "52009230"})
_OVERLAYS = frozenset(f"{group:04X}" for group in range(0x6000, 0x6020, 2))


def _view(state: Json, reference: Reference, *, rows: int, columns: int) -> View:
    """Displayed area (PS3.3 §C.10.4) and spatial transformation (§C.10.6)."""
    left, top, right, bottom = 1, 1, columns, rows
    for item in _items(state, "0070005A"):
        first, last = _values(item, "00700052"), _values(item, "00700053")
        if _names(item, reference) and len(first) == len(last) == 2:
            (left, top), (right, bottom) = map(int, first), map(int, last)
            break
    left, right = min(left, right), max(left, right)
    top, bottom = min(top, bottom), max(top, bottom)
    # An area far larger than the image would only cost memory.
    left, top = max(left, 1 - columns), max(top, 1 - rows)
    right, bottom = min(right, 2 * columns), min(bottom, 2 * rows)
    return View(
        left - 1,
        top - 1,
        max(right - left + 1, 1),
        max(bottom - top + 1, 1),
        int(_number(state, "00700042", 0)) // 90 % 4,
        next(iter(_values(state, "00700041")), "N") == "Y",
    )


def _drawn(kind: str, points: list[tuple[float, float]], *, filled: bool) -> Iterator[Line]:
    """Graphic types of PS3.3 §C.10.5.1.2."""
    match kind:
        case "POINT":
            yield from (Line((point,)) for point in points)
        case "POLYLINE" | "INTERPOLATED" if len(points) > 1:
            yield Line(tuple(points), filled and points[0] == points[-1])
        case "CIRCLE" if len(points) == 2:
            (x, y), (on_x, on_y) = points
            radius = ((on_x - x) ** 2 + (on_y - y) ** 2) ** 0.5
            yield Line(_ring((x, y), (radius, 0), (0, radius)), filled)
        case "ELLIPSE" if len(points) == 4:
            (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
            middle = ((ax + bx) / 2, (ay + by) / 2)
            yield Line(
                _ring(middle, ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2)),
                filled,
            )


def _ring(
    middle: tuple[float, float], one: tuple[float, float], other: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    angles = [2 * pi * n / 72 for n in range(73)]
    return tuple(
        (
            middle[0] + cos(angle) * one[0] + sin(angle) * other[0],
            middle[1] + cos(angle) * one[1] + sin(angle) * other[1],
        )
        for angle in angles
    )


def _names(item: Json, reference: Reference) -> bool:
    """Whether an item is about that image: it names it, or none."""
    images = _items(item, "00081140")
    if not images:
        return True
    for image in images:
        if reference.instance_uid in _values(image, "00081155"):
            numbers = _values(image, "00081160")
            return not numbers or reference.frame_number in map(int, numbers)
    return False


def _items(document: Json, tag: str) -> list[Json]:
    return [value for value in _values(document, tag) if isinstance(value, dict)]


def _values(document: Json, tag: str) -> list[Any]:
    return document.get(tag, {}).get("Value") or []


def _number(document: Json, tag: str, default: float) -> float:
    value = next(iter(_values(document, tag)), default)
    return float(value) if isinstance(value, int | float) else default
