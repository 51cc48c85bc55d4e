"""Two CTs of one patient a year apart: now chest to pelvis, then the chest, one nodule smaller.

Slices of 3 mm, 512 x 512 pixels of 400 mm, Hounsfield units by Rescale Intercept. The noise has the
grain of a reconstruction kernel and is stronger where the body is wider, streaked at the shoulders.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomweb_server.demo.shapes import Canvas, Field, ellipse
from dicomweb_server.demo.studies import (
    CT_NOW,
    CT_PRIOR,
    Study,
    data_set,
    numbers,
    part10,
    pixels,
    uid,
)
from dicomweb_server.demo.torso import Nodule, Torso

_CT_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.2"
_SIZE, _FIELD_MM, _STEP_MM = 512, 400.0, 3.0
_PIXEL_MM: Final = _FIELD_MM / _SIZE
_TOP, _SLICES = 313.5, 204
_PRIOR_SLICES = 124
_TORSO: Final = 20250918
_OUTSIDE: Final = -2000
"""Pixel Padding Value: what the reconstruction does not reach."""

_NODULE = (-78.0, 2.0, 196.0)
# The rows where there is something; above and below them is air.
_FIRST_ROW, _LAST_ROW = 85, 470

Slice = npt.NDArray[np.int16]


def ct_files() -> Iterator[tuple[str, bytes]]:
    """Both studies, the later one first."""
    axis = ((np.arange(_SIZE) + 0.5) * _PIXEL_MM - _FIELD_MM / 2).astype(np.float32)
    patient = Torso(_TORSO)
    now = patient.with_nodules(Nodule(_NODULE, 7.0))
    prior = patient.with_nodules(Nodule(_NODULE, 2.7))
    table = _table(axis)
    noise = _Noise(seed=3)
    circle = np.hypot(axis[:, None], axis[None, :]) > _FIELD_MM / 2
    clean: list[Field] = []
    for n in range(_SLICES):
        z = _TOP - n * _STEP_MM
        image = _slice(now, table, axis, z)
        if n < _PRIOR_SLICES:
            # The rest of the patient has not changed, so it is not drawn again.
            clean.append(_slice(prior, table, axis, z) if abs(z - _NODULE[2]) < 24 else image)
        yield from _file(CT_NOW, n + 1, z, image, noise=noise, grain=10.5, circle=circle)
    for n, image in enumerate(clean):
        z = _TOP - n * _STEP_MM
        yield from _file(CT_PRIOR, n + 1, z, image, noise=noise, grain=13.5, circle=circle)


def _slice(torso: Torso, table: Field, axis: Field, z: float) -> Field:
    canvas = Canvas(axis, axis[_FIRST_ROW:_LAST_ROW], edge=1.1, background=table)
    torso.slice(canvas, z)
    return canvas.image


def _table(axis: Field) -> Field:
    """The empty table: a curved shell around foam, and the mattress on it."""
    canvas = Canvas(axis, axis[_FIRST_ROW:_LAST_ROW], edge=1.1, background=-1000)
    lying = ellipse(canvas.x, canvas.y, (0, -178), (330, 310))
    sides = np.abs(canvas.x) - np.float32(196)
    for value, upper, lower in ((-940, -12, 6), (-90, 6, 8.5), (-965, 8.5, 30), (-90, 30, 32.5)):
        layer = np.maximum(lying - np.float32(lower), np.float32(upper) - lying)
        canvas.mix(value, np.maximum(layer, sides))
    return canvas.image


class _Noise:
    """Noise as filtered backprojection leaves it: most of it at frequencies in between."""

    def __init__(self, *, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        size = 1024
        f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
        shape = f * np.exp(-((f / 0.20) ** 2))
        white = np.fft.rfft2(self._random.normal(0, 1, (size, size)))
        field = np.fft.irfft2(white * shape, s=(size, size))
        self._field = (field / field.std()).astype(np.float32)

    def patch(self, rows: int, columns: int) -> Field:
        """Of standard deviation 1; no two are alike."""
        a, b = (self._random.integers(0, 1024 - 512, 2) for _ in range(2))
        one = self._field[a[0] : a[0] + rows, a[1] : a[1] + columns]
        other = self._field[b[0] : b[0] + columns, b[1] : b[1] + rows].T
        patch: Field = (one + other) * np.float32(0.5**0.5)
        return patch

    def streaks(self, rows: int) -> Field:
        """One value a row: what the shoulders leave of the signal sideways."""
        values = np.convolve(
            self._random.normal(0, 1, rows + 4), (0.1, 0.25, 0.3, 0.25, 0.1), "valid"
        )
        streaks: Field = (values / values.std()).astype(np.float32).reshape(-1, 1)
        return streaks


def _file(
    study: Study,
    number: int,
    z: float,
    image: Field,
    *,
    noise: _Noise,
    grain: float,
    circle: npt.NDArray[np.bool_],
) -> Iterator[tuple[str, bytes]]:
    rows, columns = image.shape
    middle = np.exp(-(((np.arange(columns) - columns / 2) / 190) ** 2)).astype(np.float32)
    inside = np.clip((image + 1000) / 800, 0.35, 1.0)
    noisy = image + noise.patch(rows, columns) * inside * (
        np.float32(grain * 0.62) + np.float32(grain * 0.6) * middle
    )
    shadow = max(0.0, 1 - abs(z - 285) / 50) + 0.6 * max(0.0, 1 - abs(z + 265) / 45)
    if shadow:
        noisy += noise.streaks(rows) * np.float32(grain * 0.9 * shadow) * inside
    whole = np.full((_SIZE, _SIZE), -1000, np.int16)
    whole[_FIRST_ROW:_LAST_ROW] = np.clip(np.rint(noisy), -1024, 3071)
    air = noise.patch(_SIZE, _SIZE)[:_FIRST_ROW]
    whole[:_FIRST_ROW] = np.clip(np.rint(-1000 + air * (grain * 0.35)), -1024, -900)
    below = noise.patch(_SIZE, _SIZE)[_LAST_ROW:]
    whole[_LAST_ROW:] = np.clip(np.rint(-1000 + below * (grain * 0.35)), -1024, -900)
    stored = whole + np.int16(1024)
    stored[circle] = _OUTSIDE
    yield f"{study.name}/ct/{number:04}.dcm", part10(_data_set(study, number, z, stored))


def _data_set(study: Study, number: int, z: float, stored: Slice) -> Dataset:
    d = data_set(
        study,
        sop_class_uid=_CT_IMAGE_STORAGE,
        modality="CT",
        series="ct",
        series_number=2,
        series_description="CAP portal venous 3 mm" if study is CT_NOW else "Chest 3 mm",
        number=number,
    )
    d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    d.AcquisitionDate, d.AcquisitionTime, d.AcquisitionNumber = study.date, study.time, 1
    d.BodyPartExamined = "CHEST"
    d.PatientPosition = "FFS"
    d.PositionReferenceIndicator = ""
    d.ProtocolName = study.description
    d.ContrastBolusAgent = "Iodinated, 350 mg/ml"
    d.KVP = "120"
    d.XRayTubeCurrent = 210 if study is CT_NOW else 140
    d.ExposureTime = 500
    d.Exposure = 105 if study is CT_NOW else 70
    d.ConvolutionKernel = "STANDARD"
    d.SliceThickness = numbers(_STEP_MM)[0]
    d.SpacingBetweenSlices = numbers(_STEP_MM)[0]
    d.DataCollectionDiameter = "500"
    d.ReconstructionDiameter = numbers(_FIELD_MM)[0]
    d.GantryDetectorTilt = "0"
    d.RotationDirection = "CW"
    d.FilterType = "BODY FILTER"
    d.FrameOfReferenceUID = uid(study.name, "frame of reference")
    corner = -_FIELD_MM / 2 + _PIXEL_MM / 2
    d.ImagePositionPatient = numbers(corner, corner, z)
    d.ImageOrientationPatient = numbers(1, 0, 0, 0, 1, 0)
    d.SliceLocation = numbers(z)[0]
    d.PixelSpacing = numbers(_PIXEL_MM, _PIXEL_MM)
    d.RescaleIntercept, d.RescaleSlope, d.RescaleType = "-1024", "1", "HU"
    d.WindowCenter, d.WindowWidth = ["40", "-600"], ["400", "1500"]
    d.WindowCenterWidthExplanation = ["SOFT TISSUE", "LUNG"]
    pixels(
        d,
        stored.astype("<i2").tobytes(),
        rows=_SIZE,
        columns=_SIZE,
        bits_allocated=16,
        bits_stored=16,
        signed=True,
    )
    d.add_new("PixelPaddingValue", "SS", _OUTSIDE)
    return d
