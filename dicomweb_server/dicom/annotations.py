"""Text and graphics on a picture (PS3.18 §8.3.5.1.1; PS3.3 §C.10.5 for those of presentation
states): white with a black edge, so that they can be read on anything.

The font is Pillow's own, which has Latin letters only; of a name the alphabetic group is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicomweb_server.dicom.lookup_tables import Json
from dicomweb_server.dicom.resizing import Picture

_PATIENT = (
    ("00100010", "{}"),
    ("00100020", "ID {}"),
    ("00100030", "born {}"),
    ("00100040", "{}"),
    ("00101010", "{}"),
)
_TECHNIQUE = (
    ("00080080", "{}"),
    ("00080020", "{}"),
    ("00080030", "{:.6}"),
    ("00081030", "{}"),
    ("0008103E", "{}"),
    ("00080060", "{}"),
    ("00200011", "series {}"),
    ("00200013", "image {}"),
    ("00180050", "{} mm"),
    ("00180060", "{} kV"),
    ("00181151", "{} mA"),
    ("00180080", "TR {} ms"),
    ("00180081", "TE {} ms"),
)


@dataclass(frozen=True, slots=True)
class Label:
    """Text at a point of the picture in pixels."""

    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """Points joined by lines, in pixels of the picture; one point is a cross."""

    points: tuple[tuple[float, float], ...]
    filled: bool = False


def patient(document: Json) -> list[str]:
    """Who it is, a line each."""
    return _lines(document, _PATIENT)


def technique(document: Json) -> list[str]:
    """How the image was made, a line each."""
    return _lines(document, _TECHNIQUE)


def _lines(document: Json, wanted: Sequence[tuple[str, str]]) -> list[str]:
    found = ((text(document, tag), form) for tag, form in wanted)
    return [form.format(value) for value, form in found if value]


def text(document: Json, tag: str) -> str:
    """The first value of an attribute; of a name its alphabetic group; "" when there is none."""
    values = document.get(tag, {}).get("Value") or [""]
    value = values[0]
    if isinstance(value, dict):
        value = value.get("Alphabetic") or next((str(each) for each in value.values()), "")
        value = " ".join(part for part in str(value).split("^") if part)
    return "" if value is None else str(value).strip()


def annotated(picture: Picture, *, top: Sequence[str], bottom: Sequence[str]) -> Picture:
    """The picture with lines of text in its upper and lower left corner."""
    size = font_size(picture)
    height = size * 5 // 4
    labels = [Label(line, 3, 2 + n * height) for n, line in enumerate(top)]
    first = picture.shape[0] - 2 - len(bottom) * height
    labels += [Label(line, 3, first + n * height) for n, line in enumerate(bottom)]
    return marked(picture, labels, [])


def font_size(picture: Picture) -> int:
    """In pixels: some forty lines would fit."""
    return max(9, int(min(picture.shape[:2])) // 40)


def marked(picture: Picture, labels: Sequence[Label], lines: Sequence[Line]) -> Picture:
    """The picture with texts and lines on it."""
    image = Image.fromarray(picture)
    white, black = (255, 0) if picture.ndim == 2 else ((255,) * 3, (0,) * 3)
    pen = ImageDraw.Draw(image)
    for line in lines:
        if len(line.points) == 1:
            (x, y), reach = line.points[0], 3
            pen.line(((x - reach, y), (x + reach, y)), fill=white)
            pen.line(((x, y - reach), (x, y + reach)), fill=white)
        elif line.filled:
            pen.polygon(line.points, fill=white)
        else:
            pen.line(line.points, fill=white, width=1)
    font = ImageFont.load_default(font_size(picture))
    for label in labels:
        where = (label.x, label.y)
        pen.multiline_text(
            where, label.text[:2000], fill=white, font=font, stroke_width=1, stroke_fill=black
        )
    return np.asarray(image)
