"""A torso from neck to hip in Hounsfield units, contrast in the portal venous phase.

Millimetres from a point in the middle of the body at the height of the eleventh thoracic vertebra;
x to the patient's left, y to the back, z to the head. Drawn from the outside in: what is painted
later lies within what was painted before.
"""

from copy import copy
from dataclasses import dataclass
from functools import cache
from math import cos, hypot, pi, sin

import numpy as np

from dicomweb_server.demo.shapes import Canvas, Field, Tubes, Wobble, ellipse, table

AIR, LUNG, FAT, WATER = -1000.0, -865.0, -102.0, 5.0
SKIN, MUSCLE, BLOOD, VEIN = 15.0, 58.0, 150.0, 158.0
LIVER, SPLEEN, PANCREAS, CORTEX, MEDULLA = 112.0, 125.0, 98.0, 190.0, 150.0
MARROW, BONE, CARTILAGE, DISC = 190.0, 780.0, 120.0, 85.0

# z, half width, half depth, middle in y, squareness of the outline
_OUTLINE = (
    (-330, 186, 108, 4, 2.9),
    (-250, 182, 110, 2, 2.6),
    (-190, 170, 104, 0, 2.5),
    (-110, 154, 100, -2, 2.4),
    (-20, 156, 106, -2, 2.4),
    (80, 163, 110, 0, 2.5),
    (170, 168, 108, 2, 2.5),
    (215, 176, 100, 6, 2.6),
    (262, 186, 82, 14, 2.6),
    (296, 118, 70, 16, 2.3),
    (340, 66, 60, 10, 2.1),
)
# z, thickness of the fat in front, at the side, behind
_FAT = (
    (-330, 22, 24, 26),
    (-220, 28, 26, 28),
    (-110, 26, 18, 20),
    (0, 18, 13, 14),
    (120, 15, 12, 12),
    (240, 9, 9, 9),
    (340, 6, 6, 7),
)
# z, half width, half depth, middle in y: what the ribs, later the muscles of the belly, enclose
_CAVITY = (
    (-330, 98, 66, -10),
    (-250, 104, 66, -8),
    (-190, 116, 70, -12),
    (-110, 117, 72, -12),
    (-20, 128, 80, -7),
    (60, 131, 84, -5),
    (140, 126, 82, -1),
    (200, 112, 72, 4),
    (245, 86, 56, 14),
    (280, 62, 38, 24),
    (300, 40, 22, 30),
)
# z, y of the middle of the vertebral bodies, their half width, half depth
_SPINE = (
    (-330, 92, 18, 8),
    (-270, 88, 26, 12),
    (-220, 74, 46, 18),
    (-180, 50, 36, 21),
    (-150, 40, 27, 19),
    (-80, 33, 25, 18),
    (0, 40, 22, 17),
    (120, 54, 17, 15),
    (220, 48, 15, 12),
    (280, 34, 14, 10),
    (340, 24, 13, 9),
)

_LEVELS = [*(275 - 23.5 * n for n in range(12)), *(-15 - 33.5 * n for n in range(5))]
"""Middles of the vertebrae T1 to T12 and L1 to L5."""
_NECK = [298.0, 317.0, 336.0]


@dataclass(frozen=True)
class Nodule:
    """A spot in the lung; `radius` in mm."""

    center: tuple[float, float, float]
    radius: float


class Torso:
    """The patient. `seed` decides every irregularity: two of the same seed are one person."""

    def __init__(self, seed: int, *, arms_raised: bool = True) -> None:
        self.nodules: tuple[Nodule, ...] = ()
        self.arms_raised = arms_raised
        self._coarse = Wobble(seed, cell=34)
        self._fine = Wobble(seed + 1, cell=9)
        self.lung_vessels = _lung_vessels(seed + 2)
        self._bowel = _small_bowel(seed + 3)

    def with_nodules(self, *nodules: Nodule) -> "Torso":
        """The same person at another time."""
        other = copy(self)
        other.nodules = nodules
        return other

    def slice(self, canvas: Canvas, z: float, *, fine_parts: bool = True) -> None:
        """Paints the slice at `z` over what is on the canvas.

        fine_parts  ribs, shoulders and the vessels of the lung too
        """
        coarse, fine = self._coarse.at(canvas, z), self._fine.at(canvas, z)
        wall = _Wall(canvas, z, coarse, arms_raised=self.arms_raised)
        wall.paint(fine)
        if fine_parts:
            _shoulders(canvas, z)
        if z > -75:
            self._chest(canvas, z, wall, coarse, fine, vessels=fine_parts)
        if z < 75:
            self._belly(canvas, z, wall, coarse, fine)
        if z < -100:
            _pelvis(canvas, z, coarse, fine)
        _vessels(canvas, z)
        if fine_parts:
            _ribs(canvas, z, wall)
        _spine(canvas, z, fine)

    def _chest(
        self,
        canvas: Canvas,
        z: float,
        wall: "_Wall",
        coarse: Field,
        fine: Field,
        *,
        vessels: bool,
    ) -> None:
        lung = wall.lung
        # Denser where it lies on its back
        value = LUNG + 0.55 * (canvas.y + 60) + 14 * fine
        canvas.mix(value.astype(np.float32), lung)
        for side in (-1, 1):
            fissure = np.abs(0.62 * (z - 92) + (canvas.y - 8) + 7 * coarse) - np.float32(0.3)
            canvas.mix(-700, np.maximum(np.maximum(fissure, lung + 2), -side * canvas.x))
        if vessels:
            self.lung_vessels.paint(canvas, 45, z)
        for nodule in self.nodules:
            _nodule(canvas, nodule, z, fine)
        _mediastinum(canvas, z, coarse)
        _airways(canvas, z)

    def _belly(self, canvas: Canvas, z: float, wall: "_Wall", coarse: Field, fine: Field) -> None:
        inside = np.maximum(wall.cavity, -wall.dome)
        belly = np.maximum(wall.cavity + np.float32(1.5), np.float32(2.5) - wall.dome)
        # The diaphragm, then the fat that everything lies in, stranded
        canvas.mix(MUSCLE, inside)
        canvas.mix((FAT + 9 * fine).astype(np.float32), belly)
        organs = inside + np.float32(1.0)  # which lie against the diaphragm
        self._colon(canvas, z, fine)
        for loop in self._bowel:
            loop.thicker(1.8).paint(canvas, 92, z)
            loop.paint(canvas, 26, z)
        _liver(canvas, z, organs, coarse, fine)
        _spleen_and_stomach(canvas, z, organs, coarse, fine)
        _pancreas(canvas, z)
        _kidneys(canvas, z, coarse)

    def _colon(self, canvas: Canvas, z: float, fine: Field) -> None:
        colon = _colon()
        colon.thicker(2.0).paint(canvas, 75, z)
        before = canvas.image.copy()
        colon.paint(canvas, 20, z)
        filled = canvas.image != before
        # Gas above, stool below, mixed
        content = np.where(fine * 10 - 0.22 * (canvas.y + 30) > 0.5, AIR, 25 + 45 * fine)
        canvas.image[filled] = (
            0.12 * canvas.image[filled] + 0.88 * np.broadcast_to(content, before.shape)[filled]
        )


class _Wall:
    """Skin, fat, muscle, and how far a pixel is from what they enclose.

    cavity  distance from the inner surface of the chest and belly
    dome    height above the slice of the diaphragm, as a distance: positive below it
    lung    distance from the surface of the lungs
    """

    def __init__(self, canvas: Canvas, z: float, coarse: Field, *, arms_raised: bool) -> None:
        self.canvas, self.z = canvas, z
        a, b, middle, power = table(z, *_OUTLINE)
        front, side, behind = table(z, *_FAT)
        x, y = canvas.x, canvas.y
        self.outline = ellipse(x, y, (0, middle), (a, b), power=power) - 1.2 * coarse
        # A furrow along the spine, deeper between the buttocks
        depth, wide = table(z, (-330, 60, 5), (-240, 30, 6), (-195, 5, 10), (300, 4, 10))
        furrow = np.float32(depth) * np.exp(-((x / np.float32(wide)) ** 2))
        self.outline = self.outline + furrow * np.clip((y - middle) / b, 0, 1) ** 6
        if z > 262 and arms_raised:
            # Raised arms leave the shoulders upwards.
            arm = ellipse(np.abs(x), y, (146, 16), (40, 42))
            self.outline = np.minimum(self.outline, arm)
        self.muscle = (
            ellipse(
                x,
                y,
                (0, middle + (front - behind) / 2),
                (a - side, b - (front + behind) / 2),
                power=power,
            )
            - 2.5 * coarse
        )
        if z > 262 and arms_raised:
            self.muscle = np.minimum(self.muscle, arm + np.float32(9))
        self.a, self.b, self.middle = table(z, *_CAVITY)
        self.cavity = ellipse(x, y, (0, self.middle), (self.a, self.b), power=2.35) - 1.0 * coarse
        if z < -20:
            # Below the ribs the muscles of the belly are thinner at the side than in front.
            self.cavity = np.maximum(self.cavity, self.muscle + np.float32(9))
        self.lung = self._lungs()

    def _lungs(self) -> Field:
        x, y, z = self.canvas.x, self.canvas.y, np.float32(self.z)
        half, lean = table(
            self.z,
            (-80, 30, 6),
            (60, 34, 8),
            (150, 27, 4),
            (215, 25, 0),
            (262, 27, 0),
            (300, 36, 0),
        )
        # Between the lungs: narrow in front and beside the spine, wide where the heart lies
        waist = np.float32(half) - np.float32(13) * np.exp(-(((y + 62) / 16) ** 2))
        waist = waist - np.float32(8) * np.exp(-(((y - 72) / 22) ** 2))
        between = waist - np.abs(x - np.float32(lean))
        # The diaphragm: a dome on either side, and between them the floor that the heart lies on
        right = np.float32(62) - (((x + 66) / 92) ** 2 + ((y + 18) / 78) ** 2) * np.float32(88)
        left = np.float32(46) - (((x - 66) / 92) ** 2 + ((y + 18) / 78) ** 2) * np.float32(88)
        floor = np.float32(24) - ((x / 70) ** 2 + ((y + 30) / 76) ** 2) * np.float32(70)
        # How deep the recess between diaphragm and ribs goes, less beside the spine
        deepest = np.float32(-46) + np.float32(52) * np.exp(-((x / np.float32(44)) ** 2))
        dome = np.maximum(np.maximum(right, left), np.maximum(floor, deepest))
        self.dome = (dome - z) * np.float32(0.55)
        lungs: Field = np.maximum(np.maximum(self.cavity + np.float32(1.2), between), self.dome)
        return lungs

    def paint(self, fine: Field) -> None:
        canvas, z = self.canvas, self.z
        canvas.mix(SKIN, self.outline)
        canvas.mix((FAT + 7 * fine).astype(np.float32), self.outline + np.float32(2.2))
        muscle = (MUSCLE + 4 * fine).astype(np.float32)
        if z > 302:
            # The shoulders slope away from the neck.
            canvas.mix(muscle, self.muscle + np.float32((z - 302) * 0.9))
            _neck(canvas, z)
            return
        canvas.mix(muscle, self.muscle)
        self._planes(fine)
        canvas.mix(FAT, self.cavity)
        _back_muscles(canvas, z)

    def _planes(self, fine: Field) -> None:
        """The planes of fat between the layers of muscle."""
        canvas, z = self.canvas, self.z
        if z < 0:
            for depth in (5.0, 10.5):
                layer = np.abs(self.muscle + np.float32(depth) + fine) - np.float32(0.5)
                canvas.mix(-60, np.maximum(layer, np.float32(35) - np.abs(canvas.x)))
            line = np.maximum(np.abs(canvas.x) - np.float32(1.6), canvas.y + np.float32(40))
            canvas.mix(-70, np.maximum(line, self.muscle))
        elif z < 258:
            gap = np.abs(self.cavity - np.float32(9.5) + 1.5 * fine) - np.float32(1.1)
            canvas.mix(-75, gap)
            if z > 150:
                far = np.abs(canvas.x)
                pocket = ellipse(far, canvas.y, (0.80 * self.a + 46, -22), (20, 15), angle=-50)
                canvas.mix(-95, pocket + 4 * fine)
                layer = np.abs(self.cavity - np.float32(21) + 3 * fine) - np.float32(0.8)
                canvas.mix(-65, np.maximum(layer, self.muscle + np.float32(3)))


def _neck(canvas: Canvas, z: float) -> None:
    canvas.ellipse(MUSCLE - 4, (0, 14), (55, 46))
    for side in (-1, 1):
        canvas.ellipse(FAT, (side * 34, 2), (15, 13), angle=side * 30)
        canvas.ellipse(MUSCLE + 6, (side * 43, -12), (12, 6.5), angle=side * 55)
        canvas.ellipse(132, (side * 19, -22), (10, 14))  # thyroid, full of iodine


def _back_muscles(canvas: Canvas, z: float) -> None:
    """Erector spinae and, in the loin, psoas and quadratus lumborum."""
    if z < -212:
        return
    spine, width, _ = table(z, *_SPINE)
    deep, wide = table(z, (-212, 5, 12), (-150, 20, 27), (0, 17, 26), (150, 12, 22), (300, 11, 18))
    for side in (-1, 1):
        canvas.ellipse(FAT + 20, (side * (wide + 2), spine + 34), (wide + 2.5, deep + 2.5))
        canvas.ellipse(MUSCLE + 3, (side * (wide + 2), spine + 34), (wide, deep), angle=side * 8)
        if -250 < z < 5:
            grown, out = table(z, (-250, 17, 46), (-150, 21, 20), (-70, 15, 13), (5, 4, 8))
            forward = table(z, (-250, -42), (-180, -12), (-60, 4), (5, 8))[0]
            center = (side * (width + out), spine + forward)
            canvas.ellipse(MUSCLE + 5, center, (grown * 0.85, grown), angle=side * -20)
        if -140 < z < -5:
            canvas.ellipse(MUSCLE, (side * (width + 44), spine + 17), (10, 17), angle=side * -50)


# ------------------------------------------------------------------------------ chest


def _mediastinum(canvas: Canvas, z: float, coarse: Field) -> None:
    """Heart and pericardial fat, thymic fat, oesophagus, lymph nodes. Vessels come later."""
    if z > 150:
        canvas.ellipse(30, (2, 20), (7, 5), wobble=coarse)  # oesophagus
        for x, y, height in ((-16, 2, 205), (14, 4, 198), (-6, -12, 232), (22, -14, 216)):
            canvas.ellipsoid(70, (x, y, height), (5, 3.5, 5), z)
    else:
        canvas.ellipse(45, (10, 26), (7, 6), wobble=coarse)
    if not 22 < z < 160:
        return
    turn = 38.0
    canvas.ellipsoid(FAT, (22, -34, 88), (72, 55, 66), z, angle=turn, wobble=2 * coarse)
    canvas.ellipsoid(55, (23, -34, 88), (66, 49, 60), z, angle=turn, wobble=2 * coarse)
    canvas.ellipsoid(FAT, (23, -34, 88), (64.5, 47.5, 58.5), z, angle=turn, wobble=2 * coarse)
    canvas.ellipsoid(112, (23, -33, 86), (60, 43, 52), z, angle=turn, wobble=2 * coarse)
    canvas.ellipsoid(BLOOD, (44, -27, 84), (31, 19, 34), z, angle=turn)  # left ventricle
    for x, y in ((46, -38), (58, -20)):
        canvas.ellipsoid(115, (x, y, 80), (6, 4, 16), z, angle=turn)  # papillary muscles
    canvas.ellipsoid(VEIN, (6, -56, 84), (34, 16, 36), z, angle=turn + 10)  # right ventricle
    canvas.ellipsoid(VEIN - 8, (-25, -31, 90), (23, 25, 35), z)  # right atrium
    canvas.ellipsoid(BLOOD, (10, 2, 112), (33, 17, 24), z, angle=8)  # left atrium
    canvas.ellipsoid(BLOOD, (0, -28, 118), (15, 14, 22), z)  # root of the aorta


@cache
def _trachea() -> Tubes:
    return Tubes.along(
        (1, -8, 350, 8.5), (0, 0, 300, 8.5), (-1, 8, 250, 8.5), (-2, 12, 210, 8.5), (-2, 14, 186, 9)
    )


@cache
def _bronchi() -> Tubes:
    right = [
        Tubes.along((-4, 14, 186, 7), (-17, 15, 172, 7), (-32, 16, 158, 6), (-38, 18, 132, 5)),
        Tubes.along(
            (-20, 15, 170, 5), (-36, 14, 174, 4.5), (-48, 12, 186, 3.6), (-58, 10, 205, 2.4)
        ),
        Tubes.along(
            (-38, 18, 132, 4.6), (-48, 24, 108, 3.8), (-56, 36, 78, 2.8), (-62, 44, 50, 1.9)
        ),
        Tubes.along((-37, 17, 136, 4), (-52, 2, 118, 3), (-66, -16, 100, 2)),
        Tubes.along((-40, 18, 126, 3.6), (-50, 40, 118, 2.6), (-56, 58, 112, 1.8)),
    ]
    left = [
        Tubes.along((2, 14, 186, 6.6), (18, 17, 172, 6.6), (36, 19, 158, 5.8), (44, 20, 140, 4.8)),
        Tubes.along((38, 18, 156, 4.8), (50, 10, 164, 4), (58, 4, 184, 3), (62, 2, 206, 2)),
        Tubes.along((44, 20, 140, 4.4), (52, 26, 112, 3.6), (58, 38, 82, 2.7), (64, 46, 54, 1.8)),
        Tubes.along((46, 14, 150, 3.6), (62, -10, 134, 2.6), (72, -26, 116, 1.8)),
        Tubes.along((46, 22, 132, 3.4), (54, 42, 124, 2.5), (60, 58, 118, 1.7)),
    ]
    return Tubes.joined(right + left)


def _airways(canvas: Canvas, z: float) -> None:
    for tubes, wall in ((_bronchi(), 1.1), (_trachea(), 1.6)):
        tubes.thicker(wall).paint(canvas, 45, z)
    for tubes in (_bronchi(), _trachea()):
        tubes.paint(canvas, -990, z)


def _lung_vessels(seed: int) -> Tubes:
    """Arteries and veins of both lungs, branching from the hilum until they are thin."""
    random = np.random.default_rng(seed)
    starts, ends, radii = [], [], []

    def room(p: np.ndarray) -> bool:
        a, b, middle = table(float(p[2]), *_CAVITY)
        if hypot(p[0] / (a - 4), (p[1] - middle) / (b - 4)) > 1:
            return False
        side = 1 if p[0] > 0 else -1
        top, cx = (46, 66) if side > 0 else (62, -66)
        dome = top - 88 * (((p[0] - cx) / 92) ** 2 + ((p[1] + 18) / 78) ** 2)
        return bool(p[2] > dome + 4 and p[2] < 288 and abs(p[0]) > 27)

    def grow(p: np.ndarray, way: np.ndarray, radius: float) -> None:
        while radius > 0.45:
            length = 4.5 + 3.2 * radius * random.uniform(0.8, 1.3)
            way = way + random.normal(0, 0.16, 3)
            way = way / np.linalg.norm(way)
            q = p + way * length
            if not room(q):
                if radius < 3:
                    return
                way = way + (np.array((np.sign(p[0]) * 70.0, 8.0, q[2])) - q) / 60
            thinner = radius * random.uniform(0.90, 0.97)
            starts.append(p)
            ends.append(q)
            radii.append((radius, thinner))
            p, radius = q, thinner
            if random.random() < 0.72:
                turn = random.normal(0, 1, 3)
                branch = way + 0.9 * (turn - (turn @ way) * way) / np.linalg.norm(turn)
                grow(p, branch / np.linalg.norm(branch), radius * random.uniform(0.45, 0.80))

    for side in (-1, 1):
        hilum = np.array((side * 38.0, 14.0, 146.0))
        targets = [
            (side * 62, 6, 262),
            (side * 84, -22, 214),
            (side * 72, 48, 214),
            (side * 92, -36, 150),
            (side * 102, 20, 150),
            (side * 86, 58, 128),
            (side * 84, -34, 96),
            (side * 104, 26, 82),
            (side * 80, 62, 60),
            (side * 58, 68, 30),
            (side * 106, 48, 30),
        ]
        for target in targets:
            for shift in (-8.0, 8.0):
                begin = hilum + np.array((side * random.uniform(0, 10), shift, shift * 1.5))
                way = np.array(target, float) - begin
                grow(begin, way / np.linalg.norm(way), random.uniform(3.4, 4.4))
    return Tubes(np.array(starts), np.array(ends), np.array(radii))


def _nodule(canvas: Canvas, nodule: Nodule, z: float, fine: Field) -> None:
    x, y, height = nodule.center
    r = nodule.radius
    canvas.ellipsoid(-690, nodule.center, (r * 1.35,) * 3, z, wobble=1.6 * fine)
    if r > 5:
        for turn in (0.3, 1.5, 2.6, 3.9, 5.2):
            # Spicules
            tip = (x + 2.1 * r * cos(turn), y + 2.1 * r * sin(turn), height + r * cos(3 * turn))
            Tubes.along((x, y, height, 1.2), (*tip, 0.3)).paint(canvas, -150, z)
    canvas.ellipsoid(38, nodule.center, (r, r * 0.9, r), z, wobble=1.2 * fine)


# --------------------------------------------------------------------------- vessels


@cache
def _arteries() -> Tubes:
    return Tubes.joined(
        [
            Tubes.along(
                (0, -28, 116, 15),
                (-9, -36, 150, 15),
                (-10, -34, 176, 14.5),
                (6, -19, 198, 14),
                (21, 1, 204, 13.5),
                (28, 22, 195, 13),
                (26, 32, 170, 12.5),
                (24, 34, 110, 12),
                (18, 28, 50, 11),
                (9, 16, 0, 10),
                (5, 8, -60, 9),
                (4, 11, -112, 8.5),
                (3, 13, -124, 8),
            ),
            Tubes.along(
                (-6, -18, 200, 7), (-14, -12, 226, 6.5), (-20, -6, 262, 5), (-24, -10, 345, 4)
            ),
            Tubes.along((8, -4, 206, 5), (15, -6, 240, 4.5), (20, -8, 290, 4), (23, -10, 345, 4)),
            Tubes.along((18, 8, 206, 5.5), (28, 4, 240, 5), (44, 2, 272, 4.5), (80, 0, 284, 4)),
            Tubes.along((-16, -10, 236, 5), (-40, 0, 268, 4.5), (-80, 0, 284, 4)),
            Tubes.along((8, 10, -8, 4), (8, -4, -6, 3.6), (-8, -10, -2, 3.2), (-34, -18, 6, 2.6)),
            Tubes.along((8, -6, -6, 3.6), (34, 0, 2, 3), (70, 18, 12, 2.6), (92, 34, 12, 2)),
            Tubes.along((7, 10, -20, 4), (5, -14, -40, 3.6), (0, -26, -90, 3), (-10, -30, -130, 2)),
            Tubes.along((6, 10, -32, 3.4), (30, 24, -48, 3.2), (50, 36, -56, 2.6)),
            Tubes.along((2, 10, -34, 3.4), (-28, 26, -56, 3.2), (-48, 38, -66, 2.6)),
        ]
    )


@cache
def _leg_arteries() -> Tubes:
    left = [
        Tubes.along(
            (4, 12, -122, 6),
            (22, 18, -150, 5.6),
            (42, 22, -185, 5.2),
            (66, -6, -232, 5),
            (82, -38, -275, 4.8),
            (86, -52, -335, 4.8),
        ),
        Tubes.along((42, 22, -185, 4), (52, 44, -215, 3.4), (58, 60, -250, 2.6)),
    ]
    both = Tubes.joined(left)
    return Tubes.joined([both, both.mirrored()])


@cache
def _veins() -> Tubes:
    return Tubes.joined(
        [
            Tubes.along(
                (-25, -28, 120, 9),
                (-24, -22, 160, 9),
                (-22, -20, 200, 8.5),
                (-24, -22, 232, 8),
                (-34, -10, 262, 7),
                (-38, -4, 345, 6.5),
            ),
            Tubes.along(
                (-22, -22, 226, 6.5), (4, -34, 232, 6.5), (28, -22, 250, 6.5), (38, -4, 345, 6.5)
            ),
            Tubes.along(
                (-24, -24, 70, 12),
                (-26, -8, 40, 12),
                (-28, 8, 0, 12),
                (-26, 12, -60, 11.5),
                (-20, 16, -112, 10.5),
                (-12, 20, -128, 9),
            ),
            Tubes.along((-28, 12, -40, 5), (-46, 32, -58, 4.5), (-54, 40, -66, 3.6)),
            Tubes.along((-22, 4, -34, 5), (4, -4, -32, 4), (34, 22, -46, 4.4), (52, 36, -56, 3.6)),
            Tubes.along(
                (14, -22, -100, 4),
                (-2, -22, -50, 5.5),
                (-12, -18, -16, 7),
                (-34, -12, 4, 7),
                (-52, -14, 12, 6),
            ),
            Tubes.along((-8, -16, -20, 5), (26, -4, -6, 4.8), (64, 16, 8, 4.4), (92, 34, 14, 3.6)),
            # Trunk of the lung artery, and its branches
            Tubes.along(
                (8, -56, 122, 14), (16, -46, 148, 14), (20, -26, 166, 13.5), (24, -8, 170, 12)
            ),
            Tubes.along(
                (18, -28, 164, 11),
                (0, -8, 164, 10.5),
                (-22, 2, 160, 10),
                (-40, 12, 150, 8),
                (-46, 18, 130, 6),
            ),
            Tubes.along((24, -10, 170, 11), (38, 8, 170, 10), (48, 18, 154, 8), (52, 22, 132, 6)),
            Tubes.along((8, 2, 118, 9), (-24, 8, 122, 8), (-44, 8, 128, 6), (-60, 4, 140, 4)),
            Tubes.along((14, 2, 118, 9), (38, 8, 122, 7.5), (56, 6, 128, 5.5), (70, -2, 140, 4)),
            Tubes.along((-14, 6, 108, 8), (-38, 20, 96, 6), (-56, 34, 80, 4)),
            Tubes.along((30, 8, 108, 7.5), (46, 24, 96, 6), (62, 38, 80, 4)),
        ]
    )


@cache
def _leg_veins() -> Tubes:
    left = Tubes.along(
        (-12, 20, -128, 7.5),
        (14, 28, -150, 7.5),
        (42, 32, -185, 7),
        (66, 6, -232, 6.5),
        (76, -30, -275, 6.5),
        (78, -42, -335, 6.5),
    )
    right = Tubes.along(
        (-14, 20, -128, 7.5), (-40, 32, -180, 7), (-66, 6, -232, 6.5), (-77, -36, -335, 6.5)
    )
    return Tubes.joined([left, right])


@cache
def _liver_veins() -> tuple[Tubes, Tubes]:
    hepatic = Tubes.joined(
        [
            Tubes.along((-26, -8, 42, 6), (-52, 4, 34, 5), (-84, 16, 18, 3.6), (-108, 18, -6, 2)),
            Tubes.along(
                (-26, -10, 44, 5.5), (-44, -30, 34, 4.6), (-62, -54, 14, 3), (-70, -62, -10, 2)
            ),
            Tubes.along(
                (-24, -14, 44, 5), (-4, -38, 38, 4), (22, -56, 28, 2.6), (40, -62, 24, 1.6)
            ),
        ]
    )
    portal = Tubes.joined(
        [
            Tubes.along((-50, -14, 12, 6), (-72, -6, 8, 5), (-92, 8, -4, 3.6), (-104, 20, -32, 2)),
            Tubes.along((-62, -8, 10, 4.4), (-84, -22, 12, 3.4), (-106, -30, 18, 2)),
            Tubes.along(
                (-52, -16, 12, 5), (-34, -40, 20, 4.4), (-10, -54, 24, 3), (20, -62, 20, 1.8)
            ),
            Tubes.along((-76, -4, 8, 3.6), (-88, 6, 30, 2.6), (-94, 10, 46, 1.6)),
        ]
    )
    return hepatic, portal


def _vessels(canvas: Canvas, z: float) -> None:
    _veins().paint(canvas, VEIN - 4, z)
    if z < -110:
        _leg_veins().paint(canvas, 128, z)
        _leg_arteries().paint(canvas, BLOOD + 8, z)
    _arteries().thicker(1.0).paint(canvas, 70, z)
    _arteries().paint(canvas, BLOOD + 6, z)
    if z < 20:
        # A little chalk in the wall of the aorta
        for x, y, height in ((-2, 14, -70), (12, 12, -95), (10, 20, -20), (-4, 8, -104)):
            canvas.ellipsoid(520, (x, y, height), (2.2, 1.4, 6), z)


# ----------------------------------------------------------------------------- belly


def _liver(canvas: Canvas, z: float, belly: Field, coarse: Field, fine: Field) -> None:
    if not -118 < z < 66:
        return
    x, y = canvas.x, canvas.y
    distance = np.full(canvas.image.shape, 999, np.float32)
    for center, radii in (
        ((-72, 2, -2), (74, 78, 74)),
        ((-92, 14, -52), (42, 56, 66)),
        ((-8, -46, 22), (74, 36, 38)),
    ):
        height = (z - center[2]) / radii[2]
        if abs(height) < 1:
            k = (1 - height * height) ** 0.5
            piece = ellipse(x, y, center[:2], (radii[0] * k, radii[1] * k))
            # Joined softly, so that the lobes have no seam
            distance = np.minimum(distance, piece) - np.maximum(
                6 - np.abs(distance - piece), 0
            ) ** 2 / np.float32(24)
    # What presses into it: kidney, spine, stomach, gallbladder
    for center, radii in (((-58, 62, -70), (44, 44, 62)), ((8, 48, 0), (46, 52, 200))):
        height = (z - center[2]) / radii[2]
        if abs(height) < 1:
            k = (1 - height * height) ** 0.5
            distance = np.maximum(
                distance, -ellipse(x, y, center[:2], (radii[0] * k, radii[1] * k))
            )
    distance = np.maximum(distance - 3 * coarse, belly + 1)
    if not (distance < 0).any():
        return
    canvas.mix((LIVER + 3 * fine).astype(np.float32), distance)
    without = canvas.image.copy()
    hepatic, portal = _liver_veins()
    hepatic.paint(canvas, 162, z)
    portal.paint(canvas, 166, z)
    np.copyto(canvas.image, without, where=distance > 0)
    canvas.ellipsoid(8, (-88, 34, 22), (8, 7, 8), z)  # a cyst
    canvas.ellipsoid(70, (-46, -56, -38), (15, 16, 28), z)
    canvas.ellipsoid(8, (-46, -56, -38), (13, 14, 26), z)  # gallbladder


def _spleen_and_stomach(canvas: Canvas, z: float, belly: Field, coarse: Field, fine: Field) -> None:
    x, y = canvas.x, canvas.y
    height = (z - 8) / 58
    if abs(height) < 1:
        k = (1 - height * height) ** 0.5
        spleen = ellipse(x, y, (94, 32), (34 * k, 54 * k), angle=-14) - 2 * coarse
        spleen = np.maximum(spleen, -ellipse(x, y, (58, 0), (34, 38)))
        canvas.mix((SPLEEN + 2 * fine).astype(np.float32), np.maximum(spleen, belly + 1))
    wall, inside = np.full((2, *canvas.image.shape), 999, np.float32)
    for center, radii in (
        ((58, -8, 32), (42, 44, 40)),
        ((50, -32, -8), (34, 30, 50)),
        ((22, -46, -42), (42, 20, 22)),
        ((-14, -42, -40), (26, 15, 16)),
    ):
        height = (z - center[2]) / radii[2]
        if abs(height) < 1:
            k = (1 - height * height) ** 0.5
            piece = ellipse(x, y, center[:2], (radii[0] * k, radii[1] * k))
            wall = np.minimum(wall, piece)
    if (wall < 0).any():
        wall = np.maximum(wall - 2.5 * coarse, belly + 2)
        inside = wall + np.float32(4.5) + fine
        canvas.mix(86, wall)
        canvas.mix((22 + 14 * fine).astype(np.float32), inside)
        # Gas rises; its mirror lies level whatever the stomach does.
        canvas.mix(AIR, np.maximum(inside, canvas.y + np.float32(34)))


def _pancreas(canvas: Canvas, z: float) -> None:
    pancreas = Tubes.along(
        (-32, -16, -48, 12),
        (-28, -18, -30, 13),
        (-6, -24, -20, 10),
        (22, -16, -12, 10),
        (52, 4, -2, 9.5),
        (78, 22, 6, 7),
    )
    pancreas.paint(canvas, PANCREAS, z)
    duodenum = Tubes.along(
        (-40, -34, -38, 12),
        (-54, -14, -42, 12),
        (-54, -2, -74, 12),
        (-22, 0, -90, 11),
        (30, -2, -84, 11),
    )
    duodenum.paint(canvas, 84, z)
    duodenum.thicker(-3).paint(canvas, 24, z)


def _kidneys(canvas: Canvas, z: float, coarse: Field) -> None:
    for side, height in ((-1, -68.0), (1, -56.0)):
        center = (side * 64, 42, height)
        turn = side * -28
        canvas.ellipsoid(CORTEX, center, (26, 31, 56), z, angle=turn, wobble=1.5 * coarse)
        for n in range(14):
            # Pyramids of the medulla round about the sinus
            turned = n * 2.4
            x = center[0] + 13 * cos(turned)
            y = center[1] + 17 * sin(turned)
            canvas.ellipsoid(MEDULLA, (x, y, height - 39 + 6 * n), (6.5, 6.5, 9), z)
        hilum = (side * 52, 36, height)
        canvas.ellipsoid(FAT + 10, hilum, (15, 10, 30), z, angle=side * 28)
        canvas.ellipsoid(40, (side * 50, 35, height), (7, 5, 16), z, angle=side * 28)
    Tubes.along((-46, 34, -70, 2.4), (-36, 26, -130, 2.2), (-46, 44, -220, 2)).paint(canvas, 60, z)
    Tubes.along((46, 34, -60, 2.4), (36, 26, -130, 2.2), (46, 44, -220, 2)).paint(canvas, 60, z)
    for side, x, y in ((-1, -34, 22), (1, 34, 20)):  # adrenals
        Tubes.along((x, y, 10, 2.6), (x + side * 4, y + 14, 4, 2.2)).paint(canvas, 85, z)
        Tubes.along((x, y, 10, 2.6), (x - side * 6, y + 15, 4, 2.2)).paint(canvas, 85, z)


@cache
def _colon() -> Tubes:
    def pouches(*points: tuple[float, float, float, float]) -> Tubes:
        tubes = Tubes.along(*points)
        swell = 1 + 0.16 * np.sin(np.arange(len(tubes.radii)) * 1.9)
        return Tubes(tubes.starts, tubes.ends, tubes.radii * swell[:, None])

    return Tubes.joined(
        [
            pouches(
                (-92, -8, -205, 20),
                (-98, -2, -165, 23),
                (-98, 6, -125, 22),
                (-94, 4, -92, 20),
                (-80, -34, -88, 16),
                (-50, -58, -98, 15),
                (0, -64, -108, 15),
                (50, -60, -92, 15),
                (84, -36, -58, 16),
                (100, 12, -30, 16),
            ),
            pouches(
                (100, 14, -30, 15),
                (104, 26, -70, 14),
                (104, 24, -120, 14),
                (96, 8, -165, 13),
                (74, -8, -200, 13),
                (40, -2, -214, 13),
                (18, 22, -200, 13),
                (4, 48, -215, 14),
                (0, 58, -250, 16),
                (0, 62, -285, 14),
                (0, 66, -320, 9),
            ),
        ]
    )


def _small_bowel(seed: int) -> list[Tubes]:
    """Loops that fill the middle of the belly: a way that turns at random and stays inside, in
    lengths, so that the wall of one is seen against the next."""
    random = np.random.default_rng(seed)
    p, way = np.array((40.0, -40.0, -90.0)), np.array((1.0, 0.0, 0.0))
    points = [p]
    for _ in range(340):
        way = way + random.normal(0, 0.5, 3)
        off = (p - np.array((5.0, -28.0, -135.0))) / np.array((84.0, 34.0, 82.0))
        if (out := float(np.linalg.norm(off))) > 0.75:
            way = way - off / out * 0.8
        way /= np.linalg.norm(way)
        p = p + way * 14
        points.append(p)
    radii = 8.6 + 1.6 * np.sin(np.arange(len(points)) * 1.3)
    line = np.concatenate([np.array(points), radii[:, None]], axis=1)
    return [
        Tubes.along(*(tuple(row) for row in line[n : n + 6])) for n in range(0, len(line) - 5, 5)
    ]


# ------------------------------------------------------------------------------ bones


def _bone(canvas: Canvas, distance: Field, *, shell: float, marrow: float | Field) -> None:
    canvas.mix(BONE, distance)
    canvas.mix(marrow, distance + np.float32(shell))


def _fallen(turn: Field) -> Field:
    """How much of its fall a rib has behind it, by the angle around the chest, 0 behind to 1 in
    front; the lower a rib, the further it falls."""
    fallen = np.sin(np.clip(turn, 0, 0.62) * np.float32(pi / 1.24)) ** 1.4
    way: Field = fallen - np.float32(0.15) * np.clip(turn - np.float32(0.62), 0, 1) / np.float32(
        0.38
    )
    return way


def rib_curves() -> list[Tubes]:
    """The bony ribs as curves, for who does not want them slice by slice."""
    curves = []
    for number in range(12):
        end = 0.36 if number == 11 else 0.50 if number == 10 else 0.80 - 0.016 * number
        turns = np.linspace(0.08, end, 40).astype(np.float32)
        points = []
        for turn, fallen in zip(turns, _fallen(turns), strict=True):
            z = _LEVELS[0] + 6 - fallen * 34 - number * (23.5 + fallen * 8.5)
            a, b, middle = table(float(z), *_CAVITY)
            angle = float(turn) * pi
            u, v = sin(angle), cos(angle)
            # Where the ray at that angle leaves the (squared) ellipse of the chest wall
            reach = (abs(u / (a + 4)) ** 2.35 + abs(v / (b + 4)) ** 2.35) ** (-1 / 2.35)
            points.append((reach * u, middle + reach * v, float(z), 5.4))
        way = np.array(points)
        left = Tubes(way[:-1, :3], way[1:, :3], np.stack([way[:-1, 3], way[1:, 3]], axis=1))
        curves += [left, left.mirrored()]
    return curves


def _ribs(canvas: Canvas, z: float, wall: _Wall) -> None:
    """Twelve pairs: each begins beside its vertebra and goes round the chest, falling to the front.

    All at once: every pixel of the chest wall asks for its angle around the chest, how far a rib
    has fallen there, and so which rib is nearest to the slice.
    """
    if not -75 < z < 300:
        return
    x, y = canvas.x, canvas.y
    band = np.abs(wall.cavity - np.float32(4.2))
    # 0 behind, 1 in front
    turn = np.arctan2(np.abs(x), y - np.float32(wall.middle)) / np.float32(pi)
    fallen = _fallen(turn)
    place = (np.float32(_LEVELS[0] + 6 - z) - fallen * np.float32(34)) / (
        np.float32(23.5) + fallen * np.float32(8.5)
    )
    number = np.clip(np.rint(place), 0, 11)
    # Floating ribs end early; the front of the others is cartilage, the more the lower they are.
    end = np.where(number >= 11, 0.36, np.where(number >= 10, 0.50, 0.95))
    away = (place - number) * (np.float32(23.5) + fallen * np.float32(8.5))
    distance = (np.hypot(away / np.float32(6.2), band / np.float32(3.6)) - 1) * np.float32(3.6)
    distance = np.maximum(distance, (turn - end) * 120)
    distance = np.maximum(distance, (np.float32(0.08) - turn) * 120)
    canvas.mix(CARTILAGE, distance)
    bony = np.maximum(distance, (turn - (np.float32(0.80) - number * np.float32(0.016))) * 120)
    canvas.mix(BONE - 80, bony)
    canvas.mix(330, bony + np.float32(1.5))
    _sternum(canvas, z)


def _sternum(canvas: Canvas, z: float) -> None:
    if not 70 < z < 262:
        return
    y, half, thick = table(
        z,
        (70, -86, 8, 4),
        (100, -88, 15, 5.5),
        (180, -82, 13, 5.5),
        (205, -74, 17, 6),
        (240, -60, 26, 7),
        (262, -48, 12, 6),
    )
    center, radii = (0.0, y), (half, thick)
    canvas.ellipse(620, center, radii)
    canvas.ellipse(170, center, (max(1.0, half - 1.8), max(1.0, thick - 1.8)))


def _shoulders(canvas: Canvas, z: float) -> None:
    """Collar bones and shoulder blades, arms raised; breast muscles."""
    for side in (-1, 1):
        if 130 < z < 255:
            thick = table(z, (130, 4), (190, 9), (240, 12), (255, 8))[0]
            canvas.ellipse(
                MUSCLE + 4, (side * 76, -68 + (z - 190) * 0.34), (46, thick), angle=side * 24
            )
    blades = shoulder_blades()
    for tubes, wall in ((blades, 1.4), (collar_bones(), 2.0), (_raised_arms(), 3.0)):
        tubes.paint(canvas, BONE - 60, z)
        tubes.thicker(-wall).paint(canvas, 280, z)


@cache
def shoulder_blades() -> Tubes:
    """Shoulder blades: a fan of thin pieces from the lower tip to the upper border."""
    rows = []
    for n in range(14):
        z = 150 + 8.5 * n
        inner, outer = 84 - 1.2 * n, 92 + 4.6 * n
        tilt = 66 - 0.6 * n
        rows.append(
            Tubes.along(
                (inner, tilt + 10, z, 2.2),
                ((inner + outer) / 2, tilt + 2, z + 2, 2.0),
                (outer, tilt - 16, z + 5, 4.2),
            )
        )
    rows.append(Tubes.along((74, 84, 244, 4), (112, 72, 254, 5), (140, 44, 266, 8)))
    left = Tubes.joined(rows)
    return Tubes.joined([left, left.mirrored()])


@cache
def _raised_arms() -> Tubes:
    left = Tubes.along(
        (136, 30, 258, 12), (150, 22, 284, 19), (156, 16, 300, 16), (158, 14, 345, 13)
    )
    return Tubes.joined([left, left.mirrored()])


@cache
def collar_bones() -> Tubes:
    left = Tubes.along(
        (16, -50, 252, 8),
        (42, -48, 262, 6),
        (84, -26, 276, 5.5),
        (120, 8, 284, 6),
        (138, 24, 282, 6),
    )
    return Tubes.joined([left, left.mirrored()])


def _spine(canvas: Canvas, z: float, fine: Field) -> None:
    y, half, deep = table(z, *_SPINE)
    if z < -172:
        _sacrum(canvas, z, y, half, deep, fine)
        return
    levels = np.array(_NECK[::-1] + _LEVELS)
    n = int(np.argmin(np.abs(levels - z)))
    spacing = 33.5 if levels[n] < 0 else 23.5 if levels[n] < 290 else 19.0
    gap = {33.5: 5.2, 23.5: 2.6, 19.0: 2.6}[spacing]
    # Distance into the disc; negative within the body
    into = abs(z - levels[n]) - (spacing / 2 - gap)
    x, rows = canvas.x, canvas.y
    waist = 1.0 - 0.10 * max(0.0, 1 - abs(z - levels[n]) / (spacing / 2))
    body = ellipse(x, rows, (0, y), (half * waist, deep * waist), power=2.6)
    body = np.maximum(body, np.float32(deep * 0.86) * 0 + (rows - np.float32(y + deep * 0.88)))
    canvas.mix(DISC, body + np.float32(0.8))
    if into < 1.2:
        ends = np.clip((into + 2.2) / 2.2, 0, 1)
        canvas.mix(BONE - 230 + 120 * ends, np.maximum(body, np.float32(into)))
        canvas.mix(
            (MARROW + 230 * ends + 55 * fine).astype(np.float32),
            np.maximum(body + np.float32(1.5), np.float32(into)),
        )
    _arch(canvas, z, y, half, deep, float(levels[n]), spacing)


def _arch(
    canvas: Canvas, z: float, y: float, half: float, deep: float, level: float, spacing: float
) -> None:
    """Canal with its cord, pedicles, laminae, and processes to the side and behind."""
    back = y + deep
    lumbar = spacing > 30
    above = (z - level) / spacing
    canal = (10.5, 8.0) if lumbar else (8.5, 7.5)
    for side in (-1, 1):
        if -0.02 < above < 0.34:
            canvas.ellipse(BONE - 120, (side * (canal[0] + 3.4), back + 3), (4.4, 8.0))
            canvas.ellipse(260, (side * (canal[0] + 3.4), back + 3), (2.4, 6.0))
        if -0.42 < above < 0.30:
            canvas.ellipse(
                BONE - 160,
                (side * 8.5, back + 15.5),
                (10.5, 3.2),
                angle=side * (-38 if lumbar else -30),
            )
        reach = (0.16 if lumbar else 0.24) - abs(above - 0.12)
        if reach > 0:
            far = (34, -2) if lumbar else (27, 15)
            middle = (side * (canal[0] + far[0]) / 1.9, back + 9 + far[1] / 2)
            angle = side * (-6 if lumbar else 34)
            canvas.ellipse(BONE - 220, middle, (far[0] / 1.7, 3.6), angle=angle)
            canvas.ellipse(240, middle, (far[0] / 1.7 - 2.2, 1.7), angle=angle)
        if lumbar and abs(above) > 0.28:
            canvas.ellipse(BONE, (side * 17, back + 12), (7, 6), angle=side * 40)
            canvas.ellipse(40, (side * 16, back + 12.5), (1.0, 5.5), angle=side * 40)  # facet joint
    canvas.ellipse(15 if not lumbar else 22, (0, back + 6.5), canal)
    canvas.ellipse(42, (0, back + 6.5), (5.5, 4.2) if not lumbar else (6.5, 5.0))
    # The spinous process slants down, in the chest so far that it lies behind the next vertebra.
    slant = 0.55 if not lumbar else 0.25
    if -slant - 0.15 < above < 0.28:
        start, stop = back + 17, back + (44 if lumbar else 36)
        if not lumbar:
            start += max(0.0, -above) * 14
        canvas.ellipse(BONE - 150, (0, (start + stop) / 2), (3.4, (stop - start) / 2))
        canvas.ellipse(280, (0, (start + stop) / 2), (1.5, (stop - start) / 2 - 2))


def _sacrum(canvas: Canvas, z: float, y: float, half: float, deep: float, fine: Field) -> None:
    x, rows = canvas.x, canvas.y
    body = ellipse(x, rows, (0, y), (half, deep), power=2.2)
    canvas.mix(BONE - 260, body)
    canvas.mix((MARROW - 30 + 55 * fine).astype(np.float32), body + np.float32(1.8))
    if z > -262:
        canvas.ellipse(20, (0, y + deep * 0.72), (half * 0.26, 5))
        for side in (-1, 1):
            canvas.ellipse(-30, (side * half * 0.44, y + 2), (4.2, 4.2))
            canvas.ellipse(60, (side * half * 0.44, y + 2), (2.2, 2.2))


def _pelvis(canvas: Canvas, z: float, coarse: Field, fine: Field) -> None:
    """Buttocks, hip bones, femora, bladder."""
    marrow = (150 + 60 * fine).astype(np.float32)
    if z < -140:
        thick = table(z, (-330, 30), (-230, 30), (-160, 14), (-140, 6))[0]
        for side in (-1, 1):
            canvas.ellipse(MUSCLE + 2, (side * 78, 72), (58, thick), angle=side * -24)
            canvas.ellipse(MUSCLE + 2, (side * 126, 22), (16, min(46, thick + 14)), angle=side * 14)
    if z < -195:
        canvas.ellipsoid(62, (0, -30, -252), (46, 40, 46), z, wobble=2 * coarse)
        canvas.ellipsoid(WATER, (0, -30, -252), (43, 37, 43), z, wobble=2 * coarse)  # bladder
        canvas.ellipsoid(72, (0, 4, -304), (24, 20, 24), z, wobble=coarse)  # prostate
        for side in (-1, 1):
            canvas.ellipsoid(52, (side * 20, 22, -272), (20, 8, 12), z, angle=side * 12)
    for side in (-1, 1):
        if -252 < z < -112:
            # Wing of the ilium: from the joint with the sacrum round to the front, ever further
            # out; towards its crest only the middle of it is left.
            rise = (z + 252) / 134
            shrink = 1 - max(0.0, (z + 152) / 40) ** 2
            middle = (side * (84 + 20 * rise), 34 - 8 * rise)
            back = (side * (46 + 8 * rise), 70 - 26 * (1 - rise))
            front = (side * (98 + 30 * rise), -12 - 26 * rise + 18 * (1 - rise))
            inner = tuple(m + (e - m) * shrink for e, m in zip(back, middle, strict=True))
            outer = tuple(m + (e - m) * shrink for e, m in zip(front, middle, strict=True))
            thick = 5.5 + 3.5 * (1 - rise)
            wing = Tubes.along(
                (inner[0], inner[1], z, thick + 2),
                (middle[0], middle[1], z, thick - 1.5),
                (outer[0], outer[1], z, thick + 0.5),
            )
            wing.paint(canvas, BONE - 60, z)
            wing.thicker(-2.2).paint(canvas, 210, z)
        if -305 < z < -212:
            canvas.ellipsoid(BONE - 120, (side * 88, 10, -262), (36, 38, 44), z)
            canvas.ellipsoid(210, (side * 88, 10, -262), (33, 35, 41), z)
            canvas.ellipsoid(55, (side * 95.5, 6, -268), (28, 28, 28), z)
            _femur_head(canvas, side, z, marrow)
        if z < -262:
            canvas.ellipsoid(BONE - 60, (side * 141, 22, -300), (20, 26, 38), z, angle=side * 20)
            canvas.ellipsoid(170, (side * 141, 22, -300), (17, 23, 35), z, angle=side * 20)
            neck = Tubes.along((side * 96, 6, -272, 18), (side * 138, 18, -300, 20))
            neck.paint(canvas, BONE - 60, z)
            neck.thicker(-3).paint(canvas, 170, z)
        if z < -268:
            rami = Tubes.along(
                (side * 62, -12, -262, 10),
                (side * 36, -46, -276, 8),
                (side * 8, -58, -290, 9),
            )
            ischium = Tubes.along((side * 72, 38, -280, 15), (side * 60, 44, -330, 16))
            for part in (rami, ischium):
                part.paint(canvas, BONE - 60, z)
                part.thicker(-2.6).paint(canvas, 210, z)


def _femur_head(canvas: Canvas, side: int, z: float, marrow: Field) -> None:
    canvas.ellipsoid(BONE - 60, (side * 96, 6, -268), (25.5, 25.5, 25.5), z)
    canvas.ellipsoid(240, (side * 96, 6, -268), (23.5, 23.5, 23.5), z)
