"""A picture of another size: a new pixel is the mean of those it covers, or between neighbours; and
the part of it that is shown, turned and mirrored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
"""(rows, columns) grey or (rows, columns, 3) RGB."""


@dataclass(frozen=True, slots=True)
class View:
    """What of a picture is shown, and how.

    left, top      of the part in pixels, from 0; what lies outside of the picture is black
    width, height  of the part in pixels
    quarters       turns by 90 degrees clockwise
    mirrored       left and right changed, after the turns
    """

    left: int
    top: int
    width: int
    height: int
    quarters: int = 0
    mirrored: bool = False


def viewed(picture: Picture, view: View, *, aspect: float, size: tuple[int, int] | None) -> Picture:
    """The view of a picture; `aspect` and `size` as for `fitted`."""
    part = _part(picture, view)
    if size is not None and view.quarters % 2:
        size = (size[1], size[0])
    rows, columns = fitted(rows=view.height, columns=view.width, aspect=aspect, size=size)
    shown = resized(part, rows, columns)
    if view.quarters:
        shown = np.rot90(shown, -view.quarters)
    return np.ascontiguousarray(shown[:, ::-1] if view.mirrored else shown)


def _part(picture: Picture, view: View) -> Picture:
    rows, columns = picture.shape[:2]
    bottom, right = view.top + view.height, view.left + view.width
    if view.top >= 0 and view.left >= 0 and bottom <= rows and right <= columns:
        return picture[view.top : bottom, view.left : right]
    part = np.zeros((view.height, view.width, *picture.shape[2:]), np.uint8)
    top, left = max(view.top, 0), max(view.left, 0)
    inside = picture[top : max(bottom, 0), left : max(right, 0)]
    down, across = top - view.top, left - view.left
    part[down : down + inside.shape[0], across : across + inside.shape[1]] = inside
    return part


def fitted(
    *, rows: int, columns: int, aspect: float, size: tuple[int, int] | None
) -> tuple[int, int]:
    """Rows and columns of the picture as it is drawn.

    aspect  height of a pixel divided by its width; square ones are drawn, and never fewer than
            the image has
    size    width and height of what it must fit into, as large as can be; None for its own size
    """
    height, width = (rows * aspect, float(columns)) if aspect >= 1 else (rows, columns / aspect)
    if size is not None:
        scale = min(size[0] / width, size[1] / height)
        height, width = height * scale, width * scale
    return max(1, round(height)), max(1, round(width))


def resized(picture: Picture, rows: int, columns: int) -> Picture:
    """The picture with that many rows and columns: means where it shrinks, bilinear where it
    grows."""
    have = picture.shape[:2]
    if have == (rows, columns):
        return picture
    image = Image.fromarray(np.ascontiguousarray(picture))
    image = image.resize((min(columns, have[1]), min(rows, have[0])), Image.Resampling.BOX)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
