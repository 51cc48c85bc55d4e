"""Painting bodies slice by slice: soft-edged shapes in millimetres, in the patient's own axes.

x grows to the patient's left, y to the back, z to the head (PS3.3 §C.7.6.2.1.1). A shape is painted
by the distance of each pixel from its surface, negative inside, so that a pixel on the surface is
mixed of both sides as a scanner mixes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin, sqrt

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
"""(rows, columns) of a slice, or of the box of it where a shape lies."""

Box = tuple[slice, slice]


class Canvas:
    """A slice in the making.

    x, y   centres of the columns and rows in mm, ascending
    edge   width in mm over which one tissue passes into the next
    image  what has been painted
    """

    def __init__(self, x: Field, y: Field, *, edge: float, background: float | Field) -> None:
        self.x = x.reshape(1, -1)
        self.y = y.reshape(-1, 1)
        self.edge = edge
        self.image = np.full((y.size, x.size), background, np.float32)

    def box(self, left: float, top: float, right: float, bottom: float) -> Box | None:
        """The pixels between, None when there are none."""
        x0, x1 = np.searchsorted(self.x[0], (left - self.edge, right + self.edge))
        y0, y1 = np.searchsorted(self.y[:, 0], (top - self.edge, bottom + self.edge))
        return None if x0 >= x1 or y0 >= y1 else (slice(y0, y1), slice(x0, x1))

    def coverage(self, distance: Field) -> Field:
        """1 inside, 0 outside, between over the edge."""
        covered: Field = distance * np.float32(-1 / self.edge)
        covered += np.float32(0.5)
        return np.clip(covered, 0, 1, out=covered)

    def mix(
        self, value: float | Field, distance: Field, box: Box = (slice(None), slice(None))
    ) -> None:
        """Paints `value` where `distance` is negative."""
        part = self.image[box]
        part += self.coverage(distance) * (value - part)

    def ellipse(
        self,
        value: float,
        center: tuple[float, float],
        radii: tuple[float, float],
        *,
        angle: float = 0.0,
        wobble: Field | None = None,
    ) -> None:
        """angle   degrees by which it is turned, from x towards y
        wobble  mm by which the surface lies further out, over the whole slice
        """
        reach = max(radii) + (4 if wobble is not None else 0)
        if angle == 0:
            reach_x, reach_y = (r + (4 if wobble is not None else 0) for r in radii)
        else:
            reach_x = reach_y = reach
        box = self.box(
            center[0] - reach_x, center[1] - reach_y, center[0] + reach_x, center[1] + reach_y
        )
        if box is None or min(radii) <= 0:
            return
        distance = ellipse(self.x[:, box[1]], self.y[box[0]], center, radii, angle=angle)
        if wobble is not None:
            distance = distance - wobble[box]
        self.mix(value, distance, box)

    def ellipsoid(
        self,
        value: float,
        center: tuple[float, float, float],
        radii: tuple[float, float, float],
        z: float,
        *,
        angle: float = 0.0,
        wobble: Field | None = None,
    ) -> None:
        """The ellipse in which the slice at `z` cuts an ellipsoid."""
        height = (z - center[2]) / radii[2]
        if abs(height) < 1:
            k = sqrt(1 - height * height)
            self.ellipse(
                value, center[:2], (radii[0] * k, radii[1] * k), angle=angle, wobble=wobble
            )


def ellipse(
    x: Field,
    y: Field,
    center: tuple[float, float],
    radii: tuple[float, float],
    *,
    angle: float = 0.0,
    power: float = 2.0,
) -> Field:
    """Distance from an ellipse (about: exact on its short axis). `power` above 2 squares it."""
    u, v = x - np.float32(center[0]), y - np.float32(center[1])
    if angle:
        c, s = np.float32(cos(radians(angle))), np.float32(sin(radians(angle)))
        u, v = u * c + v * s, v * c - u * s
    u, v = u / np.float32(radii[0]), v / np.float32(radii[1])
    short = np.float32(min(radii))
    distance: Field
    if power == 2.0:
        distance = np.sqrt(u * u + v * v)
        distance -= 1
        distance *= short
        return distance
    # The logarithm is the distance where it counts, near the surface, and spares a root.
    n = np.float32(power)
    distance = np.log(np.abs(u) ** n + np.abs(v) ** n + np.float32(1e-6))
    distance *= short / n
    return distance


@dataclass(frozen=True)
class Tubes:
    """Vessels, airways, bowel: straight pieces with round ends, each with a radius at either end.

    starts, ends   (pieces, 3) mm
    radii          (pieces, 2) mm
    """

    starts: npt.NDArray[np.float64]
    ends: npt.NDArray[np.float64]
    radii: npt.NDArray[np.float64]

    @classmethod
    def along(cls, *points: tuple[float, float, float, float]) -> "Tubes":
        """Through points (x, y, z, radius), smoothly."""
        way = smooth(np.array(points, np.float64))
        return cls(way[:-1, :3], way[1:, :3], np.stack([way[:-1, 3], way[1:, 3]], axis=1))

    @classmethod
    def joined(cls, parts: Sequence["Tubes"]) -> "Tubes":
        return cls(
            np.concatenate([part.starts for part in parts]),
            np.concatenate([part.ends for part in parts]),
            np.concatenate([part.radii for part in parts]),
        )

    def thicker(self, by: float) -> "Tubes":
        """With that many mm more radius; negative for the lumen within a wall."""
        return Tubes(self.starts, self.ends, np.maximum(self.radii + by, 0.05))

    def mirrored(self) -> "Tubes":
        flip = np.array((-1.0, 1.0, 1.0))
        return Tubes(self.starts * flip, self.ends * flip, self.radii)

    def paint(self, canvas: Canvas, value: float, z: float) -> None:
        """What the slice at `z` shows of them."""
        reach = self.radii.max(axis=1) + canvas.edge
        low = np.minimum(self.starts[:, 2], self.ends[:, 2]) - reach
        high = np.maximum(self.starts[:, 2], self.ends[:, 2]) + reach
        for n in np.flatnonzero((low < z) & (z < high)):
            self._piece(canvas, value, z, int(n), float(reach[n]))

    def _piece(self, canvas: Canvas, value: float, z: float, n: int, reach: float) -> None:
        a, b = self.starts[n], self.ends[n]
        along = b - a
        # The stretch of the piece that is near the slice bounds what is worked out.
        t0, t1 = 0.0, 1.0
        if abs(along[2]) > 1e-6:
            ends = sorted(((z - reach - a[2]) / along[2], (z + reach - a[2]) / along[2]))
            t0, t1 = max(0.0, ends[0]), min(1.0, ends[1])
        near = np.stack([a + t0 * along, a + t1 * along])
        box = canvas.box(
            near[:, 0].min() - reach,
            near[:, 1].min() - reach,
            near[:, 0].max() + reach,
            near[:, 1].max() + reach,
        )
        if box is None:
            return
        x = canvas.x[:, box[1]] - np.float32(a[0])
        y = canvas.y[box[0]] - np.float32(a[1])
        dz = np.float32(z - a[2])
        l0, l1, l2 = (np.float32(each) for each in along)
        square = np.float32(max(1e-6, float(along @ along)))
        t = np.clip((x * l0 + y * l1 + dz * l2) / square, 0, 1)
        r0, r1 = self.radii[n]
        u, v, w = x - t * l0, y - t * l1, dz - t * l2
        distance = np.sqrt(u * u + v * v + w * w) - (np.float32(r0) + t * np.float32(r1 - r0))
        canvas.mix(value, distance, box)


def smooth(points: npt.NDArray[np.float64], *, steps: int = 4) -> npt.NDArray[np.float64]:
    """A Catmull-Rom curve through the points, `steps` pieces between two of them."""
    if len(points) < 3:
        return points
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = (np.arange(steps) / steps)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
        )
    return np.concatenate([*pieces, points[-1:]])


def table(z: float, *points: tuple[float, ...]) -> tuple[float, ...]:
    """Values at `z`, between the rows (z, value, value ...) around it; z ascends."""
    rows = np.array(points)
    place = float(np.clip(np.searchsorted(rows[:, 0], z) - 1, 0, len(rows) - 2))
    n = int(place)
    t = float(np.clip((z - rows[n, 0]) / (rows[n + 1, 0] - rows[n, 0]), 0, 1))
    t = t * t * (3 - 2 * t)
    return tuple(float(value) for value in rows[n, 1:] * (1 - t) + rows[n + 1, 1:] * t)


class Wobble:
    """A smooth field of about -1 to 1 through space, so that nothing is an exact ellipse.

    cell  mm over which it changes
    """

    def __init__(self, seed: int, *, cell: float, reach: float = 420.0) -> None:
        self.cell, self.reach = cell, reach
        count = int(2 * reach / cell) + 4
        self._grid = np.random.default_rng(seed).normal(0, 0.75, (count,) * 3).astype(np.float32)

    def at(self, canvas: Canvas, z: float) -> Field:
        """The field over the slice at `z`: quadratic B-splines, one axis after the other."""
        plane = self._along(self._grid, np.array([z]))[0]
        rows = self._along(plane, canvas.y[:, 0])
        return self._along(rows.T, canvas.x[0]).T

    def _along(self, values: Field, places: npt.NDArray[np.floating]) -> Field:
        """Interpolated on the first axis."""
        u = np.clip((places + self.reach) / self.cell, 1, self._grid.shape[0] - 2.001)
        nearest = np.rint(u).astype(np.intp)
        f = (u - nearest).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
        between: Field = values[nearest - 1] * (0.5 * (0.5 - f) ** 2)
        between += values[nearest] * (0.75 - f**2)
        between += values[nearest + 1] * (0.5 * (0.5 + f) ** 2)
        return between
