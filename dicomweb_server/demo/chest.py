"""A radiograph of the chest: what is left of a beam that goes through another torso from the back.

Soft tissue is summed up along the beam from thin slices; ribs, shoulders and the vessels of the
lung, whose edges must be sharp, are strewn as points of their mass straight onto the film.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomweb_server.demo.shapes import Canvas, Field, Tubes
from dicomweb_server.demo.studies import CR_CHEST, code, data_set, numbers, part10, pixels
from dicomweb_server.demo.torso import Torso, collar_bones, rib_curves, shoulder_blades

_CR_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.1"
_ROWS, _COLUMNS, _PIXEL_MM = 2140, 1760, 0.2
_TOP: Final = 303.0
"""z of the upper edge of the film."""
_WATER: Final = 0.018
"""Attenuation of water at 125 kV, per mm."""


def chest_files() -> Iterator[tuple[str, bytes]]:
    torso = Torso(1983, arms_raised=False)
    path = _soft_tissue(torso) + _sharp_parts(torso)
    film = _exposed(path)
    yield f"{CR_CHEST.name}/pa/0001.dcm", part10(_data_set(film))


def _soft_tissue(torso: Torso) -> Field:
    """Attenuation summed along the beam, on the pixels of the film."""
    step_x, step_y, step_z = 1.1, 3.0, 2.0
    x = np.arange(-_COLUMNS * _PIXEL_MM / 2, _COLUMNS * _PIXEL_MM / 2 + step_x, step_x)
    y = np.arange(-125, 130, step_y)
    heights = np.arange(_TOP, _TOP - _ROWS * _PIXEL_MM - step_z, -step_z)
    sums = np.empty((len(heights), len(x)), np.float32)
    for n, z in enumerate(heights):
        canvas = Canvas(x.astype(np.float32), y.astype(np.float32), edge=2.4, background=-1000)
        torso.slice(canvas, float(z), fine_parts=False)
        # At 125 kV bone weakens the beam less than its Hounsfield units say.
        density = np.clip(canvas.image + 1000, 0, None)
        density -= np.clip(density - 1120, 0, None) * np.float32(0.72)
        sums[n] = density.sum(axis=0)
    sums *= np.float32(_WATER * step_y / 1000)
    rows = np.arange(_ROWS) * _PIXEL_MM / step_z
    columns = np.arange(_COLUMNS) * _PIXEL_MM / step_x
    return _between(_between(sums, rows).T, columns).T


def _between(values: Field, places: npt.NDArray[np.floating]) -> Field:
    """Values at places between the rows, by a cubic B-spline without its overshoot."""
    n = np.clip(places.astype(np.intp), 1, len(values) - 3)
    f = (places - n).astype(np.float32)[:, None]
    weights = (
        (1 - f) ** 3 / 6,
        (3 * f**3 - 6 * f**2 + 4) / 6,
        (-3 * f**3 + 3 * f**2 + 3 * f + 1) / 6,
        f**3 / 6,
    )
    between = np.zeros((len(places), *values.shape[1:]), np.float32)
    for k, weight in enumerate(weights):
        between += weight * values[n - 1 + k]
    return between


def _sharp_parts(torso: Torso) -> Field:
    random = np.random.default_rng(12)
    parts = (
        # tubes, how hollow, how much denser than water
        (Tubes.joined(rib_curves()), 0.5, 0.81),
        (shoulder_blades(), 0.5, 0.40),
        (collar_bones(), 0.45, 0.86),
        (torso.lung_vessels, 0.0, 0.90),
    )
    film = np.zeros((_ROWS, _COLUMNS), np.float32)
    for tubes, hollow, density in parts:
        film += _strewn(tubes, random, hollow=hollow) * np.float32(density * _WATER)
    return _blurred(film, 2, times=3)


def _strewn(tubes: Tubes, random: np.random.Generator, *, hollow: float) -> Field:
    """mm of tissue along the beam, from points strewn through the tubes.

    hollow  how far from the middle a tube begins to be, 0 to 1 of its radius
    """
    along = tubes.ends - tubes.starts
    lengths = np.linalg.norm(along, axis=1)
    radii = tubes.radii.mean(axis=1)
    areas = np.pi * radii**2 * (1 - hollow**2)
    counts = np.ceil(lengths * np.sqrt(areas) * 26).astype(np.intp) + 4
    which = np.repeat(np.arange(len(lengths)), counts)
    t = random.random(len(which))
    r = radii[which] * np.sqrt(hollow**2 + (1 - hollow**2) * random.random(len(which)))
    turn = 2 * np.pi * random.random(len(which))
    # Two directions across each piece
    way = along / lengths[:, None]
    helper = np.where(np.abs(way[:, 1:2]) < 0.9, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    one = np.cross(way, helper)
    one /= np.linalg.norm(one, axis=1)[:, None]
    two = np.cross(way, one)
    points = tubes.starts[which] + along[which] * t[:, None]
    points += one[which] * (r * np.cos(turn))[:, None] + two[which] * (r * np.sin(turn))[:, None]
    mass = (lengths * areas / counts)[which]
    columns = np.rint(points[:, 0] / _PIXEL_MM + _COLUMNS / 2).astype(np.intp)
    rows = np.rint((_TOP - points[:, 2]) / _PIXEL_MM).astype(np.intp)
    seen = (columns >= 0) & (columns < _COLUMNS) & (rows >= 0) & (rows < _ROWS)
    flat = np.bincount(
        rows[seen] * _COLUMNS + columns[seen], weights=mass[seen], minlength=_ROWS * _COLUMNS
    )
    film: Field = (flat / _PIXEL_MM**2).reshape(_ROWS, _COLUMNS).astype(np.float32)
    return film


def _blurred(film: Field, radius: int, *, times: int) -> Field:
    """Means over squares of 2 * radius + 1 pixels."""
    size = 2 * radius + 1
    for _ in range(times):
        for axis in range(2):
            around = [(radius, radius) if each == axis else (0, 0) for each in range(2)]
            padded = np.pad(film, around, mode="edge")
            film = np.zeros_like(film)
            for shift in range(size):
                rows = slice(shift, shift + film.shape[0]) if axis == 0 else slice(None)
                columns = slice(shift, shift + film.shape[1]) if axis == 1 else slice(None)
                film += padded[rows, columns]
            film /= size
    return film


def _exposed(path: Field) -> npt.NDArray[np.uint16]:
    """Stored values: the logarithm of what reached the plate, large where it is dark.

    As the reader of a plate does it: differences over wide areas are pressed together, edges
    are raised a little.
    """
    random = np.random.default_rng(13)
    small = path[::8, ::8]
    wide = _between(
        _between(_blurred(small, 14, times=2), np.arange(_ROWS) / 8).T, np.arange(_COLUMNS) / 8
    ).T
    near = _blurred(path, 4, times=2)
    pressed = path - np.float32(0.45) * (wide - wide.mean()) + np.float32(0.9) * (path - near)
    grain = random.normal(0, 1, path.shape).astype(np.float32)
    grain = 0.6 * grain + 1.2 * _blurred(grain, 1, times=1)
    pressed += grain * np.float32(0.014) * np.exp(np.float32(0.22) * path)
    low, high = np.quantile(pressed[::7, ::7], (0.002, 0.998))
    stored = 3600 - (pressed - low) / (high - low) * 3200
    _marker(stored)
    film: npt.NDArray[np.uint16] = np.clip(np.rint(stored), 0, 4095).astype(np.uint16)
    return film


def _marker(stored: Field) -> None:
    """The L of lead on the patient's left."""
    stored[150:250, 1600:1618] = 250
    stored[232:250, 1600:1656] = 250


def _data_set(film: npt.NDArray[np.uint16]) -> Dataset:
    d = data_set(
        CR_CHEST,
        sop_class_uid=_CR_IMAGE_STORAGE,
        modality="CR",
        series="pa",
        series_number=1,
        series_description="Chest PA",
        number=1,
    )
    d.ImageType = ["ORIGINAL", "PRIMARY"]
    d.AcquisitionDate, d.AcquisitionTime = CR_CHEST.date, CR_CHEST.time
    d.BodyPartExamined = "CHEST"
    d.ViewPosition = "PA"
    d.PatientOrientation = ["L", "F"]
    d.KVP = "125"
    d.Exposure, d.ExposureTime, d.XRayTubeCurrent = 2, 10, 200
    d.PlateType = "STORAGE"
    d.ImagerPixelSpacing = numbers(_PIXEL_MM, _PIXEL_MM)
    d.ViewCodeSequence = [code("399348003", "SCT", "postero-anterior")]
    d.LossyImageCompression = "00"
    d.WindowCenter, d.WindowWidth = "1950", "3000"
    pixels(
        d,
        film.astype("<u2").tobytes(),
        rows=_ROWS,
        columns=_COLUMNS,
        bits_allocated=16,
        bits_stored=12,
        photometric="MONOCHROME1",
    )
    return d
