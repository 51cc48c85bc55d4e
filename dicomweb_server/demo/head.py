"""An MR of a head, T2-weighted, axial slices tilted along the base of the skull.

Signal, not a physical quantity: water is bright, fat next, grey matter above white, bone and air
dark. The convolutions are where a smooth random field passes through zero.
"""

from collections.abc import Iterator
from math import cos, radians, sin
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from dicomweb_server.demo.shapes import Canvas, Field, Tubes, Wobble, ellipse
from dicomweb_server.demo.studies import MR_HEAD, data_set, numbers, part10, pixels, uid

_MR_IMAGE_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.4"
_SIZE, _FIELD_MM, _SLICES, _STEP_MM = 384, 230.0, 28, 5.0
_PIXEL_MM: Final = _FIELD_MM / _SIZE
_BOTTOM: Final = -62.0
_TILT: Final = radians(-14)

_FOLD_MM: Final = 9.5
"""How far apart the convolutions are, about."""

AIR, BONE, CSF, GREY, WHITE = 6.0, 26.0, 1050.0, 560.0, 365.0
FAT, MUSCLE, VESSEL, EYE = 690.0, 190.0, 20.0, 1120.0


def head_files() -> Iterator[tuple[str, bytes]]:
    axis = ((np.arange(_SIZE) + 0.5) * _PIXEL_MM - _FIELD_MM / 2).astype(np.float32)
    random = np.random.default_rng(77)
    folds = Wobble(5, cell=_FOLD_MM, reach=150)
    patches = Wobble(6, cell=22, reach=150)
    for n in range(_SLICES):
        z = _BOTTOM + n * _STEP_MM
        canvas = Canvas(axis, axis, edge=0.9, background=AIR)
        _paint(canvas, z, folds.at(canvas, z), patches.at(canvas, z))
        # Coils see what is near them better; noise is Rician.
        bias = 1.06 - 0.10 * np.exp(-(canvas.x**2 + canvas.y**2) / np.float32(90.0**2))
        signal = canvas.image * bias
        real = signal + random.normal(0, 15, signal.shape)
        imaginary = random.normal(0, 15, signal.shape)
        stored = np.clip(np.rint(np.hypot(real, imaginary)), 0, 4095).astype("<u2")
        yield f"{MR_HEAD.name}/t2/{n + 1:04}.dcm", part10(_data_set(n + 1, z, stored.tobytes()))


def _skull(z: float) -> tuple[float, float, float]:
    """Half width and half depth of the brain, and its middle in y, at a height."""
    up = (z - 12) / 66 if z > 12 else (12 - z) / 98
    k = max(0.0, 1 - min(1.0, up) ** 2.3) ** 0.5
    return 67 * k, 84 * k, 2.0


def _paint(canvas: Canvas, z: float, folds: Field, patches: Field) -> None:
    x, y = canvas.x, canvas.y
    a, b, middle = _skull(z)
    if z > -28:
        scalp = ellipse(x, y, (0, middle), (a + 13, b + 14))
        canvas.mix(MUSCLE + 60, scalp)
        canvas.mix(FAT, scalp + np.float32(1.6))
        canvas.mix(BONE, scalp + np.float32(5.4))
        canvas.mix(330, scalp + np.float32(7.6))  # marrow between the tables of the skull
        canvas.mix(BONE, scalp + np.float32(9.4))
    else:
        _face(canvas, z)
    lobes = _lobes(canvas, z, a, b, middle)
    fossa = _fossa(canvas, z)
    canvas.mix(CSF, np.minimum(lobes, fossa) - np.float32(2.6))
    if z < 6:
        _front(canvas, z)
    if z > -42:
        _cerebrum(canvas, z, folds, patches, lobes)
    if z < 8:
        _cerebellum(canvas, z, folds, fossa)
    _stem(canvas, z)


def _section(
    canvas: Canvas, z: float, center: tuple[float, float, float], radii: tuple[float, float, float]
) -> Field:
    """Distance in the slice from an ellipsoid and its mirror image on the other side."""
    height = abs(z - center[2]) / radii[2]
    k = max(0.0, 1 - height * height) ** 0.5
    x = np.abs(canvas.x) if center[0] else canvas.x
    if k < 0.05:
        return np.full(canvas.image.shape, 99, np.float32)
    return ellipse(x, canvas.y, center[:2], (radii[0] * k, radii[1] * k))


def _lobes(canvas: Canvas, z: float, a: float, b: float, middle: float) -> Field:
    """The surface of the cerebrum: above one oval, at the base its lobes apart."""
    if z > 16:
        return ellipse(canvas.x, canvas.y, (0, middle), (a, b), power=2.15)
    temporal = _section(canvas, z, (40, -12, -6), (25, 42, 36))
    frontal = _section(canvas, z, (0, -42, 14), (48, 42, 24))
    occipital = _section(canvas, z, (0, 46, 22), (59, 40, 20))
    lobes = np.minimum(np.minimum(temporal, frontal), occipital)
    if z > 2:
        blend = np.float32((z - 2) / 14)
        oval = ellipse(canvas.x, canvas.y, (0, middle), (a, b), power=2.15)
        lobes = np.minimum(lobes, oval + (1 - blend) * 16)
    return np.maximum(lobes, ellipse(canvas.x, canvas.y, (0, middle), (a, b), power=2.15))


def _fossa(canvas: Canvas, z: float) -> Field:
    """What the skull leaves below the tent, and the cisterns in front of the brain stem."""
    behind = _section(canvas, z, (0, 45, -18), (55, 40, 36))
    cistern = _section(canvas, z, (0, -2, -8), (21, 19, 40))
    canal: Field = ellipse(canvas.x, canvas.y, (0, 16), (12, 11)) if z < -30 else behind
    return np.minimum(np.minimum(behind, cistern), canal)


def _cerebrum(canvas: Canvas, z: float, folds: Field, patches: Field, lobes: Field) -> None:
    x, y = canvas.x, canvas.y
    surface = lobes + 1.2 * patches
    split = np.float32(1.0) + np.float32(0.8) * np.clip((np.abs(y - 2) - 38) / 20, 0, 1)
    fissure = np.abs(x + 0.9 * patches) - split
    if 30 > z > -4:
        # The corpus callosum and what lies below it join the halves.
        fissure = np.maximum(fissure, np.float32(30) - np.abs(y + 2))
    depth = np.minimum(-surface, fissure)
    # Sulci: thin sheets of CSF at the zeros of the field, that close some way down
    sheet = np.abs(folds)
    open_to = np.clip(1 - depth / np.float32(19), 0, 1)
    # deeper in, white matter comes closer to them, until they are gone
    sulcus = (sheet - np.float32(0.09) * open_to) * np.float32(_FOLD_MM)
    sulcus = sulcus + np.clip(depth - 12, 0, 20) * np.float32(0.28)
    insula = np.hypot((np.abs(x) - np.float32(40)) / 3.2, (y + 6) / 24) - 1
    insula = insula * np.float32(3.2) + np.float32(20 * max(0.0, abs(z - 16) - 14) / 6)
    sulcus = np.minimum(sulcus, insula)
    brain = np.maximum(-np.minimum(depth, np.float32(99)), -sulcus)
    canvas.mix((GREY + 12 * patches).astype(np.float32), brain)
    ribbon = np.minimum(depth - np.float32(2.9), sulcus - np.float32(2.5))
    white = -ribbon
    canvas.mix((WHITE + 14 * patches).astype(np.float32), white)
    _nuclei(canvas, z)
    _ventricles(canvas, z)
    if 18 < z < 52:
        # Small spots of old age in the white matter
        for u, v, w, r in (
            (27, -22, 34, 2.2),
            (-24, 24, 30, 2.6),
            (30, 20, 36, 1.8),
            (-29, -8, 40, 2),
        ):
            canvas.ellipsoid(760, (u, v, w), (r, r * 1.2, 4), z)


def _nuclei(canvas: Canvas, z: float) -> None:
    for side in (-1, 1):
        if -6 < z < 34:
            canvas.ellipsoid(WHITE - 30, (side * 24, 0, 14), (16, 24, 22), z, angle=side * 16)
            canvas.ellipsoid(GREY - 40, (side * 26, -6, 13), (6.5, 15, 14), z, angle=side * 12)
            canvas.ellipsoid(330, (side * 20, -3, 11), (4, 9, 9), z, angle=side * 22)  # pallidum
            canvas.ellipsoid(GREY - 20, (side * 13.5, -22, 17), (5.5, 9, 13), z)
            canvas.ellipsoid(GREY - 30, (side * 10, 12, 15), (9.5, 15, 12), z, angle=side * -20)


def _ventricles(canvas: Canvas, z: float) -> None:
    for side in (-1, 1):
        Tubes.along(
            (side * 8, -33, 22, 4),
            (side * 8, -22, 28, 5.5),
            (side * 9, -4, 34, 5),
            (side * 13, 18, 34, 6),
            (side * 22, 34, 24, 7.5),
            (side * 25, 52, 14, 4),
        ).paint(canvas, CSF, z)
        Tubes.along((side * 22, 34, 24, 7), (side * 30, 26, 8, 4.5), (side * 32, 6, -2, 3)).paint(
            canvas, CSF, z
        )
        if 18 < z < 32:
            canvas.ellipsoid(640, (side * 21, 33, 24), (3, 5, 5), z)  # choroid plexus
    canvas.ellipsoid(CSF, (0, 6, 10), (2.2, 15, 15), z)
    if 24 < z < 44:
        canvas.ellipsoid(WHITE - 40, (0, -34, 32), (12, 6, 12), z)  # knee of the corpus callosum
        canvas.ellipsoid(WHITE - 40, (0, 34, 36), (14, 6, 10), z)


def _cerebellum(canvas: Canvas, z: float, folds: Field, fossa: Field) -> None:
    if z <= -50:
        return
    x, y = canvas.x, canvas.y
    k = max(0.05, 1 - ((z + 20) / 31) ** 2) ** 0.5
    halves = ellipse(np.abs(x), y, (25, 47), (30 * k, 34 * k))
    worm = ellipse(x, y, (0, 50), (15 * k, 29 * k))
    shape = np.maximum(np.minimum(halves, worm), fossa + np.float32(2))
    canvas.mix(GREY - 20, shape)
    # Folia: fine sheets along the surface, branching inwards
    leaf = np.cos((shape + 3.5 * folds) * np.float32(2 * np.pi / 3.6))
    canvas.mix(
        (GREY - 40 + 130 * np.clip(leaf, 0, 1)).astype(np.float32),
        np.maximum(shape + np.float32(1), -shape - 10 - 5 * folds),
    )
    canvas.mix(WHITE + 10, shape + np.float32(10) + 6 * folds)
    for side in (-1, 1):
        canvas.ellipsoid(
            300, (side * 13, 38, -24), (5, 7, 6), z, angle=side * 30
        )  # dentate nucleus
    canvas.ellipsoid(CSF, (0, 27, -22), (7.5, 5.5, 16), z)


def _stem(canvas: Canvas, z: float) -> None:
    if z < 8:
        Tubes.along(
            (0, 8, 8, 13),
            (0, 6, -4, 13),
            (0, 6, -20, 15.5),
            (0, 12, -38, 9.5),
            (0, 18, -60, 7),
            (0, 20, -80, 6.5),
        ).paint(canvas, WHITE + 25, z)
    if -6 < z < 10:
        canvas.ellipse(CSF, (0, 14.5), (1.2, 1.6))  # aqueduct
        for side in (-1, 1):
            canvas.ellipse(300, (side * 7, 2), (5.5, 2.2), angle=side * 50)
            canvas.ellipse(290, (side * 4.5, 7), (3, 3))  # red nucleus
    # Flowing blood gives no signal.
    Tubes.along((0, -10, -36, 2), (0, -11, -20, 2.1), (0, -8, -6, 2)).paint(canvas, VESSEL, z)
    for side in (-1, 1):
        Tubes.along(
            (side * 26, -2, -70, 2.6),
            (side * 22, -8, -34, 2.6),
            (side * 12, -14, -14, 2.5),
            (side * 14, -16, -4, 2.2),
            (side * 34, -14, 0, 1.5),
        ).paint(canvas, VESSEL, z)


def _front(canvas: Canvas, z: float) -> None:
    """Eyes, nose, sinuses, ears."""
    for side in (-1, 1):
        canvas.ellipsoid(FAT, (side * 32, -62, -24), (19, 24, 18), z, angle=side * 18)
        Tubes.along((side * 33, -64, -24, 2.2), (side * 20, -34, -20, 2.2)).paint(canvas, WHITE, z)
        for u in (-11, 11):
            Tubes.along((side * 33 + u, -70, -24, 1.8), (side * 24 + u * 0.3, -42, -22, 1.8)).paint(
                canvas, MUSCLE, z
            )
        canvas.ellipsoid(150, (side * 33, -73, -24), (12.6, 12.6, 12.6), z)
        canvas.ellipsoid(EYE, (side * 33, -73, -24), (11.6, 11.6, 11.6), z)
        canvas.ellipsoid(210, (side * 33, -82, -24), (4.8, 2.2, 4.8), z)  # lens
        canvas.ellipsoid(AIR + 14, (side * 52, 34, -28), (12, 16, 14), z)  # mastoid cells
        canvas.ellipsoid(CSF, (side * 40, 14, -24), (2.2, 4, 4), z)  # inner ear
        Tubes.along((side * 10, 8, -24, 2), (side * 36, 14, -24, 2)).paint(canvas, CSF - 80, z)
    if z < -4:
        canvas.ellipsoid(880, (0, -70, -34), (15, 22, 26), z)  # mucosa of the nose
        for n in range(-2, 3):
            canvas.ellipsoid(AIR, (n * 6.0, -68, -32), (2.4, 18, 22), z)
        canvas.ellipsoid(AIR, (0, -36, -22), (13, 10, 10), z)  # sphenoid sinus
    if z < -30:
        for side in (-1, 1):
            canvas.ellipsoid(900, (side * 28, -56, -54), (16, 18, 17), z)
            canvas.ellipsoid(AIR, (side * 28, -57, -53), (14, 16, 15.5), z)
    if -6 < z < 22:
        canvas.ellipsoid(AIR, (0, -86, 8), (16, 4.5, 12), z)  # frontal sinus


def _face(canvas: Canvas, z: float) -> None:
    x, y = canvas.x, canvas.y
    outline = np.minimum(
        ellipse(x, y, (0, 4), (76, 92), power=2.2), ellipse(x, y, (0, -88), (17, 24))
    )
    outline = np.minimum(outline, ellipse(np.abs(x), y, (79, 16), (6, 16)))  # ears
    canvas.mix(MUSCLE + 60, outline)
    canvas.mix(FAT - 40, outline + np.float32(1.6))
    canvas.mix(MUSCLE, outline + np.float32(8))
    canvas.mix(BONE + 60, ellipse(x, y, (0, 22), (62, 66)))
    for side in (-1, 1):
        canvas.ellipse(MUSCLE + 10, (side * 52, -28), (11, 26), angle=side * 10)
        canvas.ellipse(FAT, (side * 40, -44), (9, 16), angle=side * 20)
        canvas.ellipse(BONE, (side * 46, -8), (4, 9))
    canvas.mix(MUSCLE, ellipse(x, y, (0, 74), (46, 20)))
    canvas.mix(BONE + 30, ellipse(x, y, (0, 8), (30, 12)))


def _data_set(number: int, z: float, content: bytes) -> Dataset:
    d = data_set(
        MR_HEAD,
        sop_class_uid=_MR_IMAGE_STORAGE,
        modality="MR",
        series="t2",
        series_number=4,
        series_description="t2 tse tra 5 mm",
        number=number,
    )
    d.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    d.AcquisitionDate, d.AcquisitionTime, d.AcquisitionNumber = MR_HEAD.date, MR_HEAD.time, 1
    d.BodyPartExamined = "HEAD"
    d.PatientPosition = "HFS"
    d.PositionReferenceIndicator = ""
    d.ProtocolName = "t2 tse tra"
    d.ScanningSequence, d.SequenceVariant, d.ScanOptions = "SE", ["SK", "SP"], ""
    d.MRAcquisitionType = "2D"
    d.SequenceName = "tse2d1"
    d.SliceThickness, d.SpacingBetweenSlices = numbers(4.0, _STEP_MM)
    d.RepetitionTime, d.EchoTime, d.EchoTrainLength = "5200", "98", "15"
    d.NumberOfAverages, d.ImagingFrequency, d.ImagedNucleus = "1", "123.2", "1H"
    d.MagneticFieldStrength, d.FlipAngle = "3", "150"
    d.FrameOfReferenceUID = uid(MR_HEAD.name, "frame of reference")
    # The slices are turned about the axis from ear to ear.
    down = np.array((0.0, cos(_TILT), sin(_TILT)))
    normal = np.array((0.0, -sin(_TILT), cos(_TILT)))
    edge = _FIELD_MM / 2 - _PIXEL_MM / 2
    corner = z * normal - edge * down + np.array((-edge, 0.0, 0.0))
    d.ImagePositionPatient = numbers(*corner)
    d.ImageOrientationPatient = numbers(1, 0, 0, *down)
    d.SliceLocation = numbers(z)[0]
    d.PixelSpacing = numbers(_PIXEL_MM, _PIXEL_MM)
    d.WindowCenter, d.WindowWidth = "560", "1120"
    pixels(d, content, rows=_SIZE, columns=_SIZE, bits_allocated=16, bits_stored=12)
    return d
