"""A picture of another size: a new pixel is the mean of those it covers, or between neighbours; and
the part of it that is shown, turned and mirrored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    shown = np.rot90(resized(part, rows, columns), -view.quarters)
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
    if picture.shape[:2] == (rows, columns):
        return picture
    values = _boxes(picture, picture.shape[0] // rows // 2, picture.shape[1] // columns // 2)
    values = _along_rows(values, rows)
    values = np.swapaxes(_along_rows(np.swapaxes(values, 0, 1), columns), 0, 1)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _boxes(picture: Picture, high: int, wide: int) -> npt.NDArray[np.float32]:
    """Means of boxes of that many pixels, where a picture shrinks to less than a quarter: adding
    whole rows is ten times as fast as what follows. An incomplete box at the edge is left out."""
    if max(high, wide) < 2:
        return picture.astype(np.float32)
    high, wide = max(1, high), max(1, wide)
    rows, columns = picture.shape[0] // high, picture.shape[1] // wide
    sums = np.zeros((rows, *picture.shape[1:]), np.uint32)
    for n in range(high):
        sums += picture[n : rows * high : high]
    boxes = np.zeros((rows, columns, *picture.shape[2:]), np.float32)
    for n in range(wide):
        boxes += sums[:, n : columns * wide : wide]
    boxes /= high * wide
    return boxes


def _along_rows(values: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    have = values.shape[0]
    if have == length:
        return values
    if have > length:
        return _means(values, length)
    places = np.clip((np.arange(length) + 0.5) * have / length - 0.5, 0, have - 1)
    low = places.astype(np.intp)
    high = np.minimum(low + 1, have - 1)
    weight = (places - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    between: npt.NDArray[np.float32] = values[low] * (1 - weight) + values[high] * weight
    return between


def _means(values: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """By the sums from the first row on: a mean over a stretch is the difference of two sums, the
    sum inside a row lying between those at its edges."""
    have = values.shape[0]
    sums = np.zeros((have + 1, *values.shape[1:]), np.float32)
    np.cumsum(values, axis=0, out=sums[1:])
    edges = np.arange(length + 1) * have / length
    low = np.minimum(edges.astype(np.intp), have - 1)
    weight = (edges - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    at_edges = sums[low] * (1 - weight) + sums[low + 1] * weight
    means: npt.NDArray[np.float32] = np.diff(at_edges, axis=0) * np.float32(length / have)
    return means
