"""Rendered pixels equal what the formulas of PS3.3 give, written out one pixel at a time."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import exp, floor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.processing import apply_color_lut, convert_color_space

from dicomweb_server.dicom.decode import native_frame
from dicomweb_server.dicom.errors import Malformed, UnsupportedEncoding
from dicomweb_server.dicom.lookup_tables import expanded
from dicomweb_server.dicom.render import governing, jpeg, png, render
from dicomweb_server.dicom.resizing import fitted, resized
from dicomweb_server.dicom.windowing import Function, Window
from storage.model import PixelFormat

CT = PixelFormat(
    encapsulated=False,
    rows=8,
    columns=16,
    samples=1,
    bits_allocated=16,
    bits_stored=16,
    signed=True,
    planar=False,
    big_endian=False,
    floating=False,
    photometric="MONOCHROME2",
)
GREY8 = replace(CT, bits_allocated=8, bits_stored=8, signed=False)
RGB = replace(GREY8, samples=3, photometric="RGB")

STORED = (np.arange(128).reshape(8, 16) * 37 - 1500).astype("<i2")


def numbers(**values: Any) -> dict[str, Any]:
    """A DICOM JSON object of `x00281050=...`."""
    return {
        tag[1:]: {"vr": "DS", "Value": value if isinstance(value, list) else [value]}
        for tag, value in values.items()
    }


def drawn(
    stored: npt.NDArray[Any] = STORED,
    pixels: PixelFormat = CT,
    document: Mapping[str, Any] | None = None,
    **how: Any,
) -> npt.NDArray[np.uint8]:
    """From what `governing` leaves of the document: it leaves all that is read in any test."""
    return render(stored.tobytes(), pixels, governing(document or {}), **how)


def by_formula(shade: Callable[[float], float], values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """`shade` gives 0 to 255 as the standard writes it, ymin 0 and ymax 255."""
    shades = [floor(shade(float(value)) + 0.5) for value in values.ravel()]
    return np.array(shades, np.uint8).reshape(values.shape)


def linear(x: float, c: float, w: float) -> float:
    """PS3.3 §C.11.2.1.2.1."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    if x > c - 0.5 + (w - 1) / 2:
        return 255.0
    return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255


def linear_exact(x: float, c: float, w: float) -> float:
    """PS3.3 §C.11.2.1.3.2."""
    if x <= c - w / 2:
        return 0.0
    if x > c + w / 2:
        return 255.0
    return ((x - c) / w + 0.5) * 255


def sigmoid(x: float, c: float, w: float) -> float:
    """PS3.3 §C.11.2.1.3.1."""
    return 255 / (1 + exp(min(700, -4 * (x - c) / w)))


FORMULAS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


# ------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("function", list(FORMULAS))
@pytest.mark.parametrize(
    ("center", "width"), [(40, 400), (40.5, 401), (-600, 1500), (0, 2), (7, 1)]
)
def test_ps3_3_c_11_2_1_the_window_is_the_formula(
    function: str, center: float, width: float
) -> None:
    document = numbers(x00281050=center, x00281051=width, x00281056=function)

    expected = by_formula(lambda x: FORMULAS[function](x, center, width), STORED)

    assert np.array_equal(drawn(document=document), expected)


def test_ps3_3_c_11_2_1_2_the_example_of_the_standard_is_met() -> None:
    stored = np.array([[0, 1, 127, 128, 254, 255]], "<i2")
    document = numbers(x00281050=128, x00281051=256)

    found = drawn(stored, replace(CT, rows=1, columns=6), document)

    assert found.tolist() == [[0, 1, 127, 128, 254, 255]]


def test_the_window_counts_in_rescaled_values() -> None:
    document = numbers(x00281052=-1024, x00281053=2, x00281050=40, x00281051=400)

    expected = by_formula(lambda x: linear(x * 2 - 1024, 40, 400), STORED)

    assert np.array_equal(drawn(document=document), expected)


def test_the_window_asked_for_replaces_that_of_the_data_set() -> None:
    document = numbers(x00281050=[40, -600], x00281051=[400, 1500], x00281056="SIGMOID")

    assert np.array_equal(
        drawn(document=document, window=Window(-600, 1500)),
        by_formula(lambda x: linear(x, -600, 1500), STORED),
    )


EVERY = {
    np.dtype(kind): np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1, dtype=kind)
    for kind in ("u1", "<i2", "<u2")
}
"""All values of a type."""


@given(
    dtype=st.sampled_from(list(EVERY)),
    center=st.integers(-4000, 140_000).map(lambda n: n / 2),
    width=st.one_of(st.integers(1, 300), st.integers(1, 200_000).map(lambda n: n / 2 + 1)),
    function=st.sampled_from([Function.LINEAR, Function.LINEAR_EXACT]),
    slope=st.sampled_from([1.0, -1.0, 2.0, 0.5, 0.37, 1e-9, 1e9]),
    intercept=st.sampled_from([0.0, -1024.0, 0.25, 1e300]),
    padding=st.none() | st.tuples(st.integers(-2000, 3000), st.integers(-2000, 3000)),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
def test_every_value_has_the_shade_of_its_window_however_that_is_worked_out(
    dtype: np.dtype[Any],
    center: float,
    width: float,
    function: Function,
    slope: float,
    intercept: float,
    padding: tuple[int, int] | None,
    photometric: str,
) -> None:
    stored = EVERY[dtype]
    pixels = replace(
        CT,
        rows=1,
        columns=len(stored),
        bits_allocated=dtype.itemsize * 8,
        bits_stored=dtype.itemsize * 8,
        signed=dtype.kind == "i",
        photometric=photometric,
    )
    document = numbers(x00281053=slope, x00281052=intercept)
    if padding is not None:
        document |= numbers(x00280120=padding[0], x00280121=padding[1])
    window = Window(center, width, function)

    found = drawn(stored, pixels, document, window=window)[0]

    shades = window(stored.astype(np.float64) * slope + intercept)
    expected = np.floor((1 - shades if photometric == "MONOCHROME1" else shades) * 255 + 0.5)
    if padding is not None:
        low, high = sorted(p + 65536 if p < 0 and dtype.kind == "u" else p for p in padding)
        expected[(stored >= low) & (stored <= high)] = 0
    assert np.array_equal(found, expected)


def test_an_image_of_several_pieces_is_drawn_as_one() -> None:
    stored = np.tile(STORED, (64, 20))
    pixels = replace(CT, rows=stored.shape[0], columns=stored.shape[1])
    for function in Function:
        window = Window(40, 400, function)
        one = drawn(window=window)
        assert np.array_equal(drawn(stored, pixels, window=window), np.tile(one, (64, 20)))


def test_a_linear_window_narrower_than_1_is_read_as_exact() -> None:
    values = (np.arange(128).reshape(8, 16) / 128).astype("<f4")
    pixels = replace(CT, bits_allocated=32, bits_stored=32, floating=True)
    document = numbers(x00281050=0.5, x00281051=0.25)

    expected = by_formula(lambda x: linear_exact(x, 0.5, 0.25), values)

    assert np.array_equal(drawn(values, pixels, document), expected)


@pytest.mark.parametrize("width", [0, -5, "abc", None])
def test_a_window_that_cannot_be_used_is_as_none(width: Any) -> None:
    document = numbers(x00281050=40, x00281051=[width])

    assert np.array_equal(drawn(document=document), drawn())


def test_monochrome1_is_white_where_monochrome2_is_black() -> None:
    document = numbers(x00281050=40, x00281051=400)

    inverse = drawn(pixels=replace(CT, photometric="MONOCHROME1"), document=document)

    expected = by_formula(lambda x: 255 - linear(x, 40, 400), STORED)
    assert np.array_equal(inverse, expected)


# ------------------------------------------------------------------ without a window


def test_without_a_window_all_but_the_extremes_are_seen() -> None:
    stored = np.linspace(100, 1100, 10000).astype("<i2").reshape(100, 100)
    stored[0, 0], stored[0, 1] = -32000, 32000

    found = drawn(stored, replace(CT, rows=100, columns=100))

    assert found[0, 0] == 0
    assert found[0, 1] == 255
    assert abs(int(found[50, 0]) - 127) <= 2
    assert np.unique(found).size > 250


def test_a_constant_image_is_drawn() -> None:
    assert np.unique(drawn(np.full((8, 16), -7, "<i2"))).size == 1


def test_8_bits_without_a_window_are_the_shades() -> None:
    shades = np.arange(128).reshape(8, 16).astype(np.uint8) * 2

    assert np.array_equal(drawn(shades, GREY8), shades)


def test_a_1_bit_frame_is_black_and_white() -> None:
    bits = np.arange(128).reshape(8, 16) % 3 == 0
    packed = np.packbits(bits, bitorder="little")

    found = drawn(packed, replace(GREY8, bits_allocated=1, bits_stored=1))

    assert np.array_equal(found, bits * np.uint8(255))


@pytest.mark.parametrize("kind", ["<i4", "<u4", "<f4", "<f8"])
def test_wide_and_float_samples_are_drawn_with_the_same_window(kind: str) -> None:
    values = (np.arange(128).reshape(8, 16) * 1_000_003.0).astype(kind)
    pixels = replace(
        CT,
        bits_allocated=values.itemsize * 8,
        bits_stored=values.itemsize * 8,
        signed=kind == "<i4",
        floating=kind[1] == "f",
    )
    document = numbers(x00281050=6e7, x00281051=4e7)

    expected = by_formula(lambda x: linear(x, 6e7, 4e7), values)

    assert np.array_equal(drawn(values, pixels, document), expected)
    assert np.unique(drawn(values, pixels)).size > 100


def test_floats_that_are_no_numbers_are_black() -> None:
    values = np.arange(128, dtype="<f4").reshape(8, 16)
    values[0, 0], values[0, 1] = np.nan, np.inf

    found = drawn(values, replace(CT, bits_allocated=32, bits_stored=32, floating=True))

    assert found[0, 0] == 0
    assert np.unique(found).size > 100


# ------------------------------------------------------------------------ stored bits


def test_bits_outside_those_stored_are_not_drawn() -> None:
    stored = (np.arange(128).reshape(8, 16) * 31).astype("<u2")
    pixels = replace(CT, bits_stored=12, signed=False)
    document = numbers(x00281050=2048, x00281051=4096)

    assert np.array_equal(drawn(stored | 0xF000, pixels, document), drawn(stored, pixels, document))


def test_high_bit_says_where_the_samples_lie() -> None:
    stored = (np.arange(128).reshape(8, 16) * 31).astype("<u2")
    pixels = replace(CT, bits_stored=12, signed=False)
    window = numbers(x00281050=2048, x00281051=4096)

    high = drawn(stored << 4, pixels, window | numbers(x00280102=15))

    assert np.array_equal(high, drawn(stored, pixels, window))


@pytest.mark.parametrize(("padding", "limit"), [(-1500, None), (-1500, -1400), (-1400, -1500)])
def test_ps3_3_c_7_5_1_1_2_padding_is_black_and_not_counted(
    padding: int, limit: int | None
) -> None:
    document = numbers(x00280120=padding)
    if limit is not None:
        document |= numbers(x00280121=limit)
    padded = max(padding, -1500 if limit is None else limit) >= STORED
    pixels = replace(CT, photometric="MONOCHROME1")

    found = drawn(pixels=pixels, document=document)

    rest = drawn(STORED[~padded][None], replace(pixels, rows=1, columns=int((~padded).sum())))
    assert (found[padded] == 0).all()
    assert np.array_equal(found[~padded], rest[0])


def test_padding_of_unsigned_samples_written_as_negative_is_understood() -> None:
    stored = STORED.view("<u2").copy()
    stored[0, 0] = 63536

    found = drawn(stored, replace(CT, signed=False), numbers(x00280120=-2000))

    assert found[0, 0] == 0


# ----------------------------------------------------------------------- lookup tables


def table(first: int, bits: int, entries: list[int], *, inline: bool = False) -> dict[str, Any]:
    words = np.array(entries, "<u2")
    content: dict[str, Any] = {"vr": "US", "Value": entries}
    if inline:
        content = {"vr": "OW", "InlineBinary": b64encode(words.tobytes()).decode()}
    return {
        "00283002": {"vr": "US", "Value": [len(entries) % 65536, first % 65536, bits]},
        "00283006": content,
    }


@pytest.mark.parametrize("inline", [False, True])
def test_ps3_3_c_11_1_a_modality_lut_comes_before_the_window(inline: bool) -> None:
    entries = [n * n for n in range(200)]
    item = table(-1000, 16, entries, inline=inline)
    document = numbers(x00281050=20000, x00281051=40000) | {
        "00283000": {"vr": "SQ", "Value": [item]}
    }

    def through(x: float) -> float:
        return linear(entries[min(max(int(x) + 1000, 0), 199)], 20000, 40000)

    assert np.array_equal(drawn(document=document), by_formula(through, STORED))


def test_ps3_3_c_11_2_a_voi_lut_serves_where_there_is_no_window() -> None:
    entries = [round(1023 * (n / 300) ** 2) for n in range(300)]
    item = table(-100, 10, entries)
    document = numbers(x00281052=-24, x00281053=1) | {"00283010": {"vr": "SQ", "Value": [item]}}

    def through(x: float) -> float:
        return entries[min(max(int(x) - 24 + 100, 0), 299)] / 1023 * 255

    assert np.array_equal(drawn(document=document), by_formula(through, STORED))


def test_a_table_that_is_bulk_data_is_fetched_by_its_path() -> None:
    entries = [n * 10 for n in range(2000)]
    item = table(-1000, 16, entries)
    item["00283006"] = {"vr": "OW", "BulkDataURI": "bulkdata/00283000/0/00283006"}
    document = {"00283000": {"vr": "SQ", "Value": [item]}}
    asked = []

    def fetch(path: str) -> bytes:
        asked.append(path)
        return np.array(entries, "<u2").tobytes()

    found = drawn(document=document, fetch=fetch)

    assert asked == ["00283000/0/00283006"]
    assert not np.array_equal(found, drawn())
    assert np.array_equal(drawn(document=document), drawn()), "without fetch, as if there were none"


@pytest.mark.parametrize(
    "item",
    [
        table(0, 16, [1, 2]) | {"00283002": {"vr": "US", "Value": [2, 0, 99]}},
        table(0, 16, [1, 2]) | {"00283006": {"vr": "US", "Value": ["x"]}},
        table(0, 16, [1, 2]) | {"00283006": {"vr": "OW", "InlineBinary": "!"}},
        table(0, 16, [1, 2]) | {"00283006": {"vr": "OW", "InlineBinary": ""}},
    ],
)
def test_a_broken_table_is_malformed(item: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r"\(0028,300"):
        drawn(document={"00283000": {"vr": "SQ", "Value": [item]}})


# ------------------------------------------------------------------- functional groups


def test_ps3_3_c_7_6_16_the_groups_of_the_frame_come_first() -> None:
    def group(intercept: float, center: float) -> dict[str, Any]:
        return {
            "00289145": {"Value": [numbers(x00281052=intercept, x00281053=1)]},
            "00289132": {"Value": [numbers(x00281050=center, x00281051=400)]},
        }

    per_frame = {"52009230": {"Value": [group(-100, 0), group(-1024, 40)]}}
    shared = {"52009229": {"Value": [group(50, 60)]}}
    plain = numbers(x00281050=1, x00281051=2, x00281052=3)

    assert np.array_equal(
        drawn(document=plain | shared | per_frame, frame_index=1),
        by_formula(lambda x: linear(x - 1024, 40, 400), STORED),
    )
    assert np.array_equal(
        drawn(document=plain | shared, frame_index=1),
        by_formula(lambda x: linear(x + 50, 60, 400), STORED),
    )


# --------------------------------------------------------------------------------- colour


def test_rgb_is_as_it_is_by_pixel_and_by_plane() -> None:
    picture = np.arange(8 * 16 * 3).reshape(8, 16, 3).astype(np.uint8)

    assert np.array_equal(drawn(picture, RGB), picture)
    planes = np.ascontiguousarray(np.moveaxis(picture, -1, 0))
    assert np.array_equal(drawn(planes, replace(RGB, planar=True)), picture)


def test_rgb_of_16_bits_keeps_the_highest_8() -> None:
    picture = (np.arange(8 * 16 * 3).reshape(8, 16, 3) * 10).astype("<u2")
    pixels = replace(RGB, bits_allocated=16, bits_stored=12)

    assert np.array_equal(drawn(picture, pixels), (picture >> 4).astype(np.uint8))


def test_ps3_3_c_7_6_3_1_2_ybr_full_is_converted() -> None:
    ybr = np.random.default_rng(1).integers(0, 256, (8, 16, 3), dtype=np.uint8)

    assert np.array_equal(
        drawn(ybr, replace(RGB, photometric="YBR_FULL")),
        convert_color_space(ybr, "YBR_FULL", "RGB"),
    )


def test_ps3_3_c_7_6_3_1_2_ybr_full_422_shares_chrominance_between_two_pixels() -> None:
    content = np.array([[100, 150, 90, 200]], np.uint8)
    pixels = replace(RGB, rows=1, columns=2, photometric="YBR_FULL_422")
    full = np.array([[[100, 90, 200], [150, 90, 200]]], np.uint8)

    assert np.array_equal(drawn(content, pixels), convert_color_space(full, "YBR_FULL", "RGB"))


@pytest.mark.parametrize(
    "pixels",
    [replace(RGB, samples=4, photometric="CMYK"), replace(RGB, photometric="HSV")],
)
def test_a_colour_space_nobody_uses_is_refused_by_name(pixels: PixelFormat) -> None:
    with pytest.raises(UnsupportedEncoding, match=pixels.photometric):
        drawn(np.zeros(8 * 16 * pixels.samples, np.uint8), pixels)


def palette(bits: int, entries: npt.NDArray[Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for n in range(3):
        document[f"0028110{n + 1}"] = {"vr": "US", "Value": [len(entries), 0, bits]}
        content = np.ascontiguousarray(entries[:, n]).tobytes()
        document[f"0028120{n + 1}"] = {"vr": "OW", "InlineBinary": b64encode(content).decode()}
    return document


@pytest.mark.parametrize(("bits", "kind"), [(16, "<u2"), (8, "<u2"), (8, "<u1")])
def test_ps3_3_c_7_9_a_palette_colours_its_indices(bits: int, kind: str) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (100, 3))
    entries = (colours * 257 if bits == 16 else colours).astype(kind)
    indices = np.arange(128).reshape(8, 16).astype(np.uint8)

    found = drawn(indices, replace(GREY8, photometric="PALETTE COLOR"), palette(bits, entries))

    assert np.array_equal(found, colours[np.minimum(indices, 99)])


def test_a_palette_that_says_16_bits_and_holds_8_is_not_black() -> None:
    entries = np.arange(300).reshape(100, 3).astype("<u2") % 256
    indices = np.arange(128).reshape(8, 16).astype(np.uint8)
    pixels = replace(GREY8, photometric="PALETTE COLOR")

    assert np.array_equal(
        drawn(indices, pixels, palette(16, entries)), drawn(indices, pixels, palette(8, entries))
    )


def test_ps3_3_c_7_9_2_a_segmented_palette_is_expanded() -> None:
    discrete = [0, 3, 10, 20, 30]
    linear_ramp = [1, 4, 70]
    again = [2, 1, 0, 0]

    words = np.array(discrete + linear_ramp + again, np.uint16)

    assert expanded(words, count=10).tolist() == [10, 20, 30, 40, 50, 60, 70, 10, 20, 30]


@pytest.mark.parametrize("words", [[1, 4, 70], [0, 2, 5], [9, 1, 1], [0, 1, 5, 2, 1, 3, 0]])
def test_a_segmented_palette_that_breaks_off_is_malformed(words: list[int]) -> None:
    with pytest.raises(Malformed, match="segmented palette"):
        expanded(np.array(words, np.uint16), count=100)


# ------------------------------------------------------------------------------- size


@pytest.mark.parametrize(
    ("rows", "columns", "aspect", "size", "expected"),
    [
        (100, 200, 1.0, None, (100, 200)),
        (100, 200, 1.0, (100, 100), (50, 100)),
        (100, 50, 1.0, (400, 200), (200, 100)),
        (100, 200, 2.0, None, (200, 200)),
        (100, 200, 0.5, None, (100, 400)),
        (1, 1000, 1.0, (10, 10), (1, 10)),
    ],
)
def test_a_picture_keeps_its_proportions_and_fits(
    rows: int,
    columns: int,
    aspect: float,
    size: tuple[int, int] | None,
    expected: tuple[int, int],
) -> None:
    assert fitted(rows=rows, columns=columns, aspect=aspect, size=size) == expected


@pytest.mark.parametrize(
    "document",
    [
        numbers(x00280034=[2, 1]),
        numbers(x00280030=[1.0, 0.5]),
        numbers(x00181164=[0.2, 0.1]),
        {"52009229": {"Value": [{"00289110": {"Value": [numbers(x00280030=[3.0, 1.5])]}}]}},
    ],
)
def test_ps3_3_c_7_6_3_1_7_pixels_are_drawn_square(document: dict[str, Any]) -> None:
    assert drawn(document=document).shape == (16, 16)


@pytest.mark.parametrize("values", [[0, 1], [1, 1000], ["x", 1], [1], []])
def test_an_aspect_ratio_not_to_be_believed_is_square(values: list[Any]) -> None:
    assert drawn(document={"00280034": {"vr": "IS", "Value": values}}).shape == (8, 16)


def test_smaller_pixels_are_the_mean_of_what_they_cover() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)

    means = picture.reshape(20, 3, 45, 2, 3).mean(axis=(1, 3))
    # Rounded once for each direction.
    assert np.abs(resized(picture, 20, 45) - means).max() < 1.01
    boxes = picture.reshape(5, 12, 9, 10, 3).mean(axis=(1, 3))
    assert np.abs(resized(picture, 5, 9) - boxes).max() < 1.01
    odd = resized(picture, 7, 11)
    assert abs(float(odd.mean()) - float(picture.mean())) < 2


def test_larger_pixels_lie_between_their_neighbours() -> None:
    grown = resized(np.array([[0, 100]], np.uint8), 3, 8)

    assert grown.shape == (3, 8)
    assert grown[1].tolist() == [0, 0, 13, 38, 63, 88, 100, 100]


def test_a_thumbnail_fits() -> None:
    assert drawn(size=(200, 200)).shape == (100, 200)


@pytest.mark.parametrize("pixels", [GREY8, RGB])
def test_jpeg_and_png_hold_the_picture(pixels: PixelFormat) -> None:
    picture = drawn(np.full(8 * 16 * pixels.samples, 77, np.uint8), pixels)

    assert np.array_equal(imagecodecs.png_decode(png(picture)), picture)
    assert np.abs(imagecodecs.jpeg8_decode(jpeg(picture, quality=90)).astype(int) - 77).max() <= 2


# ------------------------------------------------------------------------- real images


def test_real_palettes_are_drawn_as_pydicom_draws_them(shared_data: Path) -> None:
    path = shared_data / "mixed/pydicom-data/data_store__data__OBXXXX1A.dcm"
    dataset = pydicom.dcmread(path)
    document = {
        f"{int(element.tag):08X}": (
            {"vr": element.VR, "InlineBinary": b64encode(element.value).decode()}
            if isinstance(element.value, bytes)
            else {"vr": element.VR, "Value": list(element.value)}
        )
        for element in dataset
        if ("Palette" in element.keyword and element.VM != 1) or "TableData" in element.keyword
    }
    pixels = replace(GREY8, rows=dataset.Rows, columns=dataset.Columns, photometric="PALETTE COLOR")
    frame = native_frame(
        dataset.PixelData, pixels=pixels, transfer_syntax_uid="1.2.840.10008.1.2.1"
    )

    found = render(*frame, document)

    expected = apply_color_lut(dataset.pixel_array, dataset)
    assert np.array_equal(found, (expected >> 8).astype(np.uint8))
