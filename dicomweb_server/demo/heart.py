"""A colour ultrasound cine of a beating heart: four chambers from the apex, one beat, with Doppler.

Drawn as a probe sees it, by angle and depth, with speckle, then turned into the sector on screen.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomweb_server.demo.shapes import Field, ellipse
from dicomweb_server.demo.studies import US_HEART, data_set, part10, pixels

_ULTRASOUND_MULTIFRAME: Final = "1.2.840.10008.5.1.4.1.1.3.1"
_WIDTH, _HEIGHT, _FRAMES, _FRAME_MS = 800, 600, 28, 33.3
_APEX: Final = (400.0, 46.0)
"""Where the beams come from, column and row on the screen."""
_PIXEL_MM: Final = 0.30
_DEPTH_MM, _HALF_ANGLE = 158.0, 0.66
_BEAMS, _RANGES = 260, 640

Picture = npt.NDArray[np.uint8]


def heart_files() -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(404)
    screen = _Sector()
    grain = _speckle(random)
    frames = []
    for n in range(_FRAMES):
        phase = n / _FRAMES
        # Speckle moves with the tissue, and a little of it is new in every frame.
        shifted = np.roll(grain, round(3 * np.sin(2 * np.pi * phase)), axis=0)
        fresh = _speckle(random)
        echoes = _echoes(screen.x, screen.y, phase) * (0.72 * shifted + 0.28 * fresh)
        flow = _flow(screen.x, screen.y, phase) * np.clip(0.7 + 0.4 * fresh, 0.5, 1.1)
        frames.append(_picture(screen, echoes, flow, phase))
    yield f"{US_HEART.name}/a4c/0001.dcm", part10(_data_set(np.stack(frames)))


class _Sector:
    """Places of the beams' samples in mm (x, y from the apex), and where screen pixels look."""

    def __init__(self) -> None:
        angles = np.linspace(-_HALF_ANGLE, _HALF_ANGLE, _BEAMS, dtype=np.float32)
        ranges = np.linspace(0, _DEPTH_MM, _RANGES, dtype=np.float32)
        self.x = ranges[:, None] * np.sin(angles)[None, :]
        self.y = ranges[:, None] * np.cos(angles)[None, :]
        columns, rows = np.meshgrid(np.arange(_WIDTH), np.arange(_HEIGHT))
        u = (columns - _APEX[0]) * _PIXEL_MM
        v = (rows - _APEX[1]) * _PIXEL_MM
        r, angle = np.hypot(u, v), np.arctan2(u, v)
        self.seen = (r < _DEPTH_MM) & (np.abs(angle) < _HALF_ANGLE) & (r > 3)
        self._row = r[self.seen] / _DEPTH_MM * (_RANGES - 1.001)
        self._beam = (angle[self.seen] / _HALF_ANGLE + 1) / 2 * (_BEAMS - 1.001)

    def converted(self, values: Field) -> Field:
        """Values by beam and range at the pixels that are seen, bilinear."""
        i, j = self._row.astype(np.intp), self._beam.astype(np.intp)
        f = (self._row - i).astype(np.float32)
        g = (self._beam - j).astype(np.float32)
        near = values[i, j] * (1 - g) + values[i, j + 1] * g
        far = values[i + 1, j] * (1 - g) + values[i + 1, j + 1] * g
        between: Field = near * (1 - f) + far * f
        return between


def _speckle(random: np.random.Generator) -> Field:
    """The length of a sum of random echoes, narrow in depth, wide across; its mean is 1."""
    real, imaginary = random.normal(0, 1, (2, _RANGES, _BEAMS)).astype(np.float32)
    depth, across = np.hanning(7)[1:-1], np.hanning(9)[1:-1]
    both = []
    for part in (real, imaginary):
        for axis, weights in ((0, depth), (1, across)):
            shifts = range(-(len(weights) // 2), len(weights) // 2 + 1)
            rolled = [np.roll(part, k, axis=axis) for k in shifts]
            part = np.tensordot(weights.astype(np.float32), np.stack(rolled), axes=1)
        both.append(part)
    length: Field = np.hypot(both[0], both[1])
    length /= length.mean()
    return length


def _squeeze(phase: float) -> float:
    """0 relaxed to 1 contracted; the first third of a beat is systole."""
    return float(np.sin(np.pi * phase / 0.42) ** 1.4) if phase < 0.42 else 0.0


def _soft(distance: Field, width: float = 1.6) -> Field:
    """1 inside, 0 outside."""
    inside: Field = 1 / (1 + np.exp(np.clip(distance / width, -30, 30)))
    return inside


def _echoes(x: Field, y: Field, phase: float) -> Field:
    """How strongly each place reflects, 0 to about 1."""
    s = _squeeze(phase)
    kick = max(0.0, 1 - abs(phase - 0.88) / 0.10)  # the atria contract before the next beat
    base = 92 - 11 * s  # depth of the valves, which the ventricles pull towards the apex
    # Cavities: left ventricle at the right of the screen, right ventricle at the left
    lv = ellipse(x, y, (19, base - 32), (19.5 - 6 * s, 35 - 3 * s), angle=-15)
    rv = ellipse(x, y, (-22, base - 25), (14.5 - 4 * s, 29 - 2 * s), angle=14)
    la = ellipse(x, y, (17, base + 26), (21 + 3 * s - 3 * kick, 20 + 3 * s - 3 * kick))
    ra = ellipse(x, y, (-23, base + 22), (19 + 2 * s - 2 * kick, 18 + 2 * s - 2 * kick))
    heart = ellipse(x, y, (-1, 74), (52 - 1.5 * s, 70))
    tissue = 0.30 * _soft(heart) + 0.16 * _soft(-heart, 5)
    # Muscle thickens as it contracts; the pericardium is brightest.
    tissue = tissue + 0.55 * np.exp(-(((heart + 1.0) / 1.6) ** 2)) * (y > 22)
    tissue = tissue + 0.10 * _soft(np.abs(x + 1.5) - 5.5, 2.0) * (y < base)  # septum
    blood = np.minimum(np.minimum(lv, rv), np.minimum(la, ra))
    echo = tissue * _soft(-blood) + 0.016
    for wall in (lv, rv, la, ra):
        echo = echo + 0.22 * np.exp(-(((wall - 1.0) / 1.4) ** 2))
    # Valves: two leaflets each, open while the ventricles fill
    opened = (
        0.0 if phase < 0.45 else float(0.45 + 0.55 * np.cos(2 * np.pi * (phase - 0.52) / 0.48) ** 2)
    )
    for center, width in ((19.0, 19.0), (-23.0, 17.0)):
        for side in (-1, 1):
            hinge = center + side * width
            tip = center + side * (1.5 + 11 * opened)
            depth = base - 2 - 16 * opened
            t = np.clip((x - hinge) / (tip - hinge), 0, 1)
            line = base + 3 + (depth - base - 3) * t
            leaf = np.abs(y - line) / np.float32(1 + 1.2 * opened)
            along = (x - hinge) * (x - tip) < 0
            echo = echo + 0.5 * np.exp(-((leaf / 1.2) ** 2)) * along
    depth_gain = np.clip(1.15 - 0.0035 * y, 0.4, 1.2)
    shadow = 1 - 0.55 * np.exp(-(((np.arctan2(x, y) + 0.50) / 0.05) ** 2))  # behind a rib
    near = 0.5 * np.exp(-((y / 6) ** 2))
    seen: Field = echo * depth_gain * shadow + near
    return seen


def _flow(x: Field, y: Field, phase: float) -> Field:
    """Velocity along the beam, -1 to 1, towards the probe positive; 0 outside the colour box."""
    s = _squeeze(phase)
    base = 92 - 11 * s
    filling = (
        0.0
        if phase < 0.45
        else float(
            np.exp(-(((phase - 0.56) / 0.08) ** 2)) + 0.7 * np.exp(-(((phase - 0.90) / 0.05) ** 2))
        )
    )
    jet_in = np.exp(-(((x - 19) / 8) ** 2 + ((y - base + 16) / 24) ** 2)) * filling
    out = np.exp(-(((x - 12) / 6) ** 2 + ((y - base + 14) / 18) ** 2)) * s
    # A small leak of the mitral valve, back into the atrium
    leak = (
        0.9
        * np.exp(-(((x - 17 - 0.15 * (y - base)) / 3.2) ** 2 + ((y - base - 16) / 14) ** 2))
        * (s > 0.25)
    )
    velocity = jet_in - 0.8 * out - leak
    box = (np.abs(np.arctan2(x, y) - 0.16) < 0.24) & (y > 46) & (y < 138)
    flow: Field = np.where(box, velocity, 0).astype(np.float32)
    return flow


def _picture(screen: _Sector, echoes: Field, flow: Field, phase: float) -> Picture:
    picture = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    compressed = np.clip(
        0.5 + 0.175 * np.log(np.maximum(echoes, 1e-4)) / np.log(2) * 0.9 + 0.28, 0, 1
    )
    grey = screen.converted(compressed.astype(np.float32)) ** 1.15 * 235
    speed = screen.converted(flow)
    colour = np.stack([grey, grey, grey], axis=-1)
    coloured = (np.abs(speed) > 0.13) & (grey < 84)
    towards = speed > 0
    v = np.clip(np.abs(speed), 0, 1)
    red = np.stack([90 + 165 * v, 210 * v**1.6, 30 * v], axis=-1)
    blue = np.stack([20 * v, 200 * v**1.6, 90 + 165 * v], axis=-1)
    colour[coloured] = np.where(towards[:, None], red, blue)[coloured]
    picture[screen.seen] = np.clip(np.rint(colour), 0, 255).astype(np.uint8)
    _furniture(picture, phase)
    return picture


def _furniture(picture: Picture, phase: float) -> None:
    """What stands around the sector: colour bar, grey bar, depth marks, ECG."""
    ramp = np.linspace(1, -1, 120)
    for n, v in enumerate(ramp):
        shade = (
            (90 + 165 * v, 210 * v**1.6, 30 * v)
            if v > 0
            else (20 * -v, 200 * (-v) ** 1.6, 90 - 165 * v)
        )
        picture[60 + n, 752:766] = np.clip(np.array(shade) * (abs(v) > 0.04), 0, 255)
    picture[60:180, 28:38] = np.linspace(255, 0, 120, dtype=np.uint8)[:, None, None]
    for cm in range(int(_DEPTH_MM / 10) + 1):
        row = round(_APEX[1] + cm * 10 / _PIXEL_MM)
        if row < _HEIGHT:
            picture[row - 1 : row + 1, 716 : 730 if cm % 5 == 0 else 722] = 200
    t = np.arange(640) / 320 % 1.0
    trace = 0.10 * np.exp(-(((t - 0.86) / 0.03) ** 2)) + np.exp(-(((t - 0.02) / 0.011) ** 2))
    trace += -0.22 * np.exp(-(((t - 0.05) / 0.012) ** 2)) + 0.22 * np.exp(
        -(((t - 0.34) / 0.05) ** 2)
    )
    rows = np.rint(584 - 42 * trace).astype(int)
    for n, (a, b) in enumerate(pairwise(rows)):
        picture[min(a, b) : max(a, b) + 2, 60 + n] = (40, 220, 90)
    now = 60 + 320 + round(phase * 319)
    picture[536:592, now : now + 2] = (230, 120, 40)


def _data_set(frames: Picture) -> Dataset:
    d = data_set(
        US_HEART,
        sop_class_uid=_ULTRASOUND_MULTIFRAME,
        modality="US",
        series="a4c",
        series_number=1,
        series_description="Apical four chambers, colour",
        number=1,
    )
    d.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    d.AcquisitionDateTime = US_HEART.date + US_HEART.time
    d.BodyPartExamined = "HEART"
    d.PatientOrientation = ""
    d.LossyImageCompression = "00"
    d.NumberOfFrames = len(frames)
    d.FrameTime = f"{_FRAME_MS}"
    d.FrameIncrementPointer = 0x00181063
    d.CineRate = d.RecommendedDisplayFrameRate = 30
    d.HeartRate = 64
    d.UltrasoundColorDataPresent = 1
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType = 1, 1
    region.RegionFlags = 0
    reach = _DEPTH_MM / _PIXEL_MM
    region.RegionLocationMinX0 = max(0, round(_APEX[0] - reach * np.sin(_HALF_ANGLE)))
    region.RegionLocationMaxX1 = min(_WIDTH - 1, round(_APEX[0] + reach * np.sin(_HALF_ANGLE)))
    region.RegionLocationMinY0 = round(_APEX[1])
    region.RegionLocationMaxY1 = min(_HEIGHT - 1, round(_APEX[1] + reach))
    region.ReferencePixelX0 = round(_APEX[0]) - region.RegionLocationMinX0
    region.ReferencePixelY0 = 0
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.ReferencePixelPhysicalValueX = region.ReferencePixelPhysicalValueY = 0.0
    region.PhysicalDeltaX = region.PhysicalDeltaY = _PIXEL_MM / 10
    d.SequenceOfUltrasoundRegions = [region]
    pixels(
        d,
        frames.tobytes(),
        rows=_HEIGHT,
        columns=_WIDTH,
        bits_allocated=8,
        bits_stored=8,
        samples=3,
        photometric="RGB",
    )
    return d
