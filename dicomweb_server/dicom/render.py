"""A frame as a picture for the eye: the grey and colour pipelines (PS3.3 §C.11, PS3.4 §N.2).

Stored values -> modality transformation -> values of interest -> shade of grey, or palette and
colour space -> RGB; then square pixels, the size asked for, JPEG or PNG. What to apply is read from
the DICOM JSON of the instance, functional groups of the frame first. Overlay planes are drawn on
it. Presentation states (presentation.py) say it differently; annotations.py writes on the picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor, inf, isfinite
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import convert_color_space

from dicomweb_server.dicom.decode import Array, samples
from dicomweb_server.dicom.errors import UnsupportedEncoding
from dicomweb_server.dicom.lookup_tables import FetchBulk, Json, LookupTable, lookup_table
from dicomweb_server.dicom.overlays import overlays, planes
from dicomweb_server.dicom.resizing import Picture, View, fitted, resized, viewed
from dicomweb_server.dicom.windowing import Function, Values, Window, covering, full_range
from storage.model import Buffer, PixelFormat


def render(
    content: Buffer,
    pixels: PixelFormat,
    document: Json,
    *,
    frame_index: int = 0,
    window: Window | None = None,
    size: tuple[int, int] | None = None,
    view: View | None = None,
    fetch: FetchBulk | None = None,
    of: tuple[int, int] | None = None,
) -> Picture:
    """A native frame as (rows, columns) grey or (rows, columns, 3) RGB.

    content, pixels  the frame as `decode.native_frame` gives it
    document         DICOM JSON of the instance
    window           to use instead of those of the data set
    size             width and height that the picture shall fit into; None for its own size
    view             the part that is shown, in pixels of the image; None for all of it
    fetch            gives bulk data: long lookup tables, without which the image is drawn as if it
                     had none
    of               rows and columns of the image, when the frame is it at a lower resolution

    Raises Malformed, Damaged, UnsupportedEncoding.
    """
    picture = drawn(content, pixels, document, frame_index=frame_index, window=window, fetch=fetch)
    if of is not None:
        shape = fitted(rows=of[0], columns=of[1], aspect=aspect(document, frame_index), size=size)
        return resized(picture, *shape)
    whole = View(0, 0, pixels.columns, pixels.rows)
    return viewed(picture, view or whole, aspect=aspect(document, frame_index), size=size)


def drawn(
    content: Buffer,
    pixels: PixelFormat,
    document: Json,
    *,
    frame_index: int = 0,
    window: Window | None = None,
    fetch: FetchBulk | None = None,
) -> Picture:
    """As `render`, a pixel of the picture for each of the image."""
    values = samples(content, pixels, high_bit=_whole(document, "00280102"))
    drawn_over = list(
        overlays(
            document, _all_bits(content, pixels, document), frame_index=frame_index, fetch=fetch
        )
    )
    if pixels.samples == 1 and pixels.photometric == "PALETTE COLOR":
        picture = _palette(values, pixels, document, fetch)
    elif pixels.samples == 1:
        picture = _grey(values, pixels, document, frame_index, window, fetch)
    else:
        picture = _colour(values, pixels)
    if drawn_over:
        picture = np.array(picture)
        for overlay in drawn_over:
            overlay.draw(picture)
    return picture


def _all_bits(content: Buffer, pixels: PixelFormat, document: Json) -> Array | None:
    """The samples with what lies above the stored bits, when an overlay may be there."""
    embedded = any(_whole(document, f"{group}0102") for group in planes(document))
    if not embedded or pixels.floating or pixels.samples != 1 or pixels.bits_allocated < 8:
        return None
    return samples(content, replace(pixels, bits_stored=pixels.bits_allocated))


def jpeg(picture: Picture, *, quality: int) -> bytes:
    """As JPEG baseline; `quality` 1 to 100."""
    return bytes(imagecodecs.jpeg8_encode(picture, level=quality))


def png(picture: Picture) -> bytes:
    """As PNG, nothing lost."""
    return bytes(imagecodecs.png_encode(picture, level=3))


# ------------------------------------------------------------------------------- grey


@dataclass(frozen=True, slots=True)
class _Rescale:
    """Modality transformation by Rescale Slope and Intercept."""

    slope: float
    intercept: float

    def __call__(self, values: Values) -> Values:
        return values * self.slope + self.intercept


@dataclass(frozen=True, slots=True)
class _Ramp:
    """Stored values to 8-bit shades on a straight line, and to black or white beyond its ends; the
    whole part of what it gives is the shade."""

    factor: np.float32
    offset: np.float32

    def __call__(self, values: Array) -> npt.NDArray[np.float32]:
        shades = values.astype(np.float32)
        shades *= self.factor
        shades += self.offset
        return shades.clip(0, 255, out=shades)


@dataclass(frozen=True, slots=True)
class _Greys:
    """How stored values become shades.

    modality  stored values to the values that windows count in
    voi       those to shades from 0 to 1, None for a window found from the image
    padding   stored values from and to that are no part of the picture
    """

    modality: Callable[[Values], Values]
    voi: Callable[[Values], Values] | None
    padding: tuple[float, float] | None
    inverse: bool

    def shades(self, values: Values, voi: Callable[[Values], Values]) -> Picture:
        """8-bit shades of stored values; black where they are padding."""
        grey = voi(self.modality(values))
        if self.inverse:
            grey = 1 - grey
        shades = _bytes_of(grey)
        if self.padding is not None:
            shades[self.is_padding(values)] = 0
        return shades

    def is_padding(self, values: Array) -> npt.NDArray[np.bool_]:
        if self.padding is None:
            return np.zeros(values.shape, np.bool_)
        low, high = self.padding
        return (values >= low) & (values <= high)


_TABLE_LIMIT = 1 << 17
"""Values that are tabulated rather than worked out pixel by pixel."""


# A window is asked for of slice after slice.
@lru_cache(maxsize=256)
def _ramp(
    rescale: _Rescale,
    window: Window,
    padding: tuple[float, float] | None,
    inverse: bool,
    dtype: np.dtype[Any],
) -> _Ramp | None:
    """What gives every value of an integer type the very shade that `_Greys.shades` gives it, in
    half the time that looking it up in a table takes; None when there is no such thing."""
    if window.ends is None:
        return None
    black, white = ((end - rescale.intercept) / rescale.slope for end in window.ends)
    if inverse:
        black, white = white, black
    if not 1 <= abs(white - black) < inf:
        return None
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    low, high = (max(least, min(end, most)) for end in sorted((black, white)))
    if high - low >= _TABLE_LIMIT:
        return None
    factor = 255 / (white - black)
    ramp = _Ramp(np.float32(factor), np.float32(0.5 - black * factor))
    # Both only rise, or only fall: what is the same from end to end is the same beyond. Where a
    # shade lies half way between two, rounding may have made it one here and the other there.
    stored = np.arange(floor(low), ceil(high) + 1, dtype=np.float64)
    shades = _Greys(rescale, window, padding, inverse).shades(stored, window)
    padding_is_black = padding is None or ramp(np.array(padding)).max() < 1
    same = np.array_equal(ramp(stored).astype(np.uint8), shades)
    return ramp if same and padding_is_black else None


def _grey(
    values: Array,
    pixels: PixelFormat,
    document: Json,
    frame_index: int,
    window: Window | None,
    fetch: FetchBulk | None,
) -> Picture:
    greys = _greys(pixels, document, frame_index, window, fetch)
    modality, voi = greys.modality, greys.voi
    if isinstance(modality, _Rescale) and isinstance(voi, Window) and not pixels.floating:
        ramp = _ramp(modality, voi, greys.padding, greys.inverse, values.dtype)
        if ramp is not None:
            return _by_pieces(values, ramp)
    low, high = (0, _TABLE_LIMIT) if pixels.floating else (int(values.min()), int(values.max()))
    if high - low >= _TABLE_LIMIT:
        wide = values.astype(np.float64)
        found = voi or covering(greys.modality(wide[~greys.is_padding(wide)]))
        return greys.shades(wide, found)
    table = np.arange(low, high + 1, dtype=np.float64)

    def places(values: Array) -> Array:
        # Differences from the least value, small and unsigned: what two's complement makes of them
        # when they pass the end of the type is right.
        differences: Array = (values - values.dtype.type(low)).view(f"u{values.itemsize}")
        return differences

    if voi is None:
        counts = np.bincount(places(values).ravel().astype(np.intp), minlength=len(table))
        counts[greys.is_padding(table)] = 0
        seen = greys.modality(table)
        order = np.argsort(seen, kind="stable")
        voi = covering(seen[order], counts[order])
    shades = greys.shades(table, voi)
    # Twice as fast as indexing.
    return _by_pieces(values, lambda piece: shades.take(places(piece)))


_PIECE = 1 << 17
"""Pixels that are drawn at a time: what is worked out for them in between stays in a cache of the
processor. It saves a fifth of the time of 2048 x 2048 pixels."""


def _by_pieces(values: Array, shades: Callable[[Array], Array]) -> Picture:
    """The shades of all pixels, cut to whole ones."""
    flat = values.reshape(-1)
    picture = np.empty(flat.size, np.uint8)
    for at in range(0, flat.size, _PIECE):
        picture[at : at + _PIECE] = shades(flat[at : at + _PIECE])
    return picture.reshape(values.shape)


def _greys(
    pixels: PixelFormat,
    document: Json,
    frame_index: int,
    window: Window | None,
    fetch: FetchBulk | None,
) -> _Greys:
    modality, rescaled = _modality(document, frame_index, pixels, fetch)
    voi: Callable[[Values], Values] | None
    if window is not None:
        voi = window
    else:
        voi = _window(document, frame_index) or _voi_lut(document, pixels, fetch)
    if voi is None and not rescaled and pixels.bits_stored <= 8 and not pixels.floating:
        voi = full_range(bits=pixels.bits_stored, signed=pixels.signed)
    return _Greys(modality, voi, _padding(document, pixels), pixels.photometric == "MONOCHROME1")


def _modality(
    document: Json, frame_index: int, pixels: PixelFormat, fetch: FetchBulk | None
) -> tuple[Callable[[Values], Values], bool]:
    """Modality LUT, or rescale slope and intercept (PS3.3 §C.11.1); whether there is any."""
    table = _item_table(document, "00283000", signed=pixels.signed, fetch=fetch)
    if table is not None:
        return (lambda values: table(values).astype(np.float64)), True
    rescale = _rescale(document, frame_index)
    return rescale, rescale != _Rescale(1.0, 0.0)


def _rescale(document: Json, frame_index: int) -> _Rescale:
    for group in _groups(document, frame_index, "00289145"):
        slope, intercept = _number(group, "00281053"), _number(group, "00281052")
        if slope is not None or intercept is not None:
            return _Rescale(slope or 1.0, intercept or 0.0)
    return _Rescale(1.0, 0.0)


def _window(document: Json, frame_index: int) -> Window | None:
    """The first window of the frame that can be used (PS3.3 §C.11.2 and §C.7.6.16.2.10)."""
    for group in _groups(document, frame_index, "00289132"):
        center, width = _number(group, "00281050"), _number(group, "00281051")
        if center is None or width is None or width <= 0:
            continue
        text = _text(group, "00281056")
        function = Function(text) if text in Function.__members__ else Function.LINEAR
        if function is Function.LINEAR and width < 1:
            # Not allowed, but said of images of small numbers, where it can only mean this.
            function = Function.LINEAR_EXACT
        return Window(center, width, function)
    return None


def _voi_lut(
    document: Json, pixels: PixelFormat, fetch: FetchBulk | None
) -> Callable[[Values], Values] | None:
    # Its input is negative where rescaling makes it so (PS3.3 §C.11.2.1.1).
    signed = pixels.signed or (_number(document, "00281052") or 0) < 0
    table = _item_table(document, "00283010", signed=signed, fetch=fetch)
    if table is None:
        return None
    white = float((1 << table.bits) - 1)
    return lambda values: np.minimum(table(values) / white, 1.0)


def _item_table(
    document: Json, sequence: str, *, signed: bool, fetch: FetchBulk | None
) -> LookupTable | None:
    """The table in the first item of a Modality or VOI LUT Sequence."""
    items = _items(document, sequence)
    if not items:
        return None
    return lookup_table(
        items[0],
        descriptor="00283002",
        content="00283006",
        signed=signed,
        path=f"{sequence}/0/",
        fetch=fetch,
    )


def _padding(document: Json, pixels: PixelFormat) -> tuple[float, float] | None:
    """Pixel Padding Value and Range Limit, whichever is larger (PS3.3 §C.7.5.1.1.2)."""
    value = _number(document, "00280120")
    if pixels.floating:
        value = _number(document, "00280122")  # Float Pixel Padding Value
        value = _number(document, "00280123") if value is None else value
        return None if value is None else (value, value)
    if value is None:
        return None
    limit = _number(document, "00280121")
    ends = [value, value if limit is None else limit]
    if not pixels.signed:
        # Written as SS although samples are unsigned
        ends = [end + 65536 if end < 0 else end for end in ends]
    return min(ends), max(ends)


# ----------------------------------------------------------------------------- colour

_PALETTE = (
    ("00281101", "00281201", "00281221"),
    ("00281102", "00281202", "00281222"),
    ("00281103", "00281203", "00281223"),
)


def _palette(
    values: Array, pixels: PixelFormat, document: Json, fetch: FetchBulk | None
) -> Picture:
    """PS3.3 §C.7.9. Without its tables the indices are drawn as grey."""
    tables: list[LookupTable] = []
    for descriptor, content, segmented in _PALETTE:
        table = lookup_table(
            document,
            descriptor=descriptor,
            content=content,
            segmented=segmented,
            signed=pixels.signed,
            fetch=fetch,
        )
        if table is None:
            shades = full_range(bits=pixels.bits_stored, signed=pixels.signed)
            return _bytes_of(shades(values.astype(np.float64)))
        tables.append(table)
    planes = [
        _eight_bits(table(values.astype(np.float64)), bits=max(8, table.bits)) for table in tables
    ]
    return np.stack(planes, axis=-1)


def _colour(values: Array, pixels: PixelFormat) -> Picture:
    """PS3.3 §C.7.6.3.1.2."""
    if pixels.samples != 3 or values.dtype.kind != "u":
        raise UnsupportedEncoding(
            "native", f"{pixels.samples} samples of {pixels.photometric} are not drawn"
        )
    picture = np.ascontiguousarray(_eight_bits(values, bits=max(8, pixels.bits_stored)))
    match pixels.photometric:
        case "YBR_FULL" | "YBR_FULL_422":
            converted: Picture = convert_color_space(picture, "YBR_FULL", "RGB")
            return converted
        case "RGB" | "YBR_RCT" | "YBR_ICT" | "":
            return picture
        case _:
            raise UnsupportedEncoding("native", f"{pixels.photometric} is not drawn")


def _bytes_of(shades: Values) -> Picture:
    # Black is what is no number: `fmax` takes the other one.
    picture: Picture = np.floor(np.fmax(shades, 0) * 255 + 0.5).astype(np.uint8)
    return picture


def _eight_bits(values: npt.NDArray[np.unsignedinteger], *, bits: int) -> Picture:
    picture: Picture = (values >> (bits - 8)).astype(np.uint8)
    return picture


# --------------------------------------------------------------------------- document

_GOVERNING = frozenset(
    {
        "00280102",  # High Bit
        *("00280120", "00280121", "00280122", "00280123"),  # padding
        *("00281052", "00281053", "00283000"),  # modality
        *("00281050", "00281051", "00281056", "00283010"),  # values of interest
        *(tag for tags in _PALETTE for tag in tags),
        *("00280034", "00280030", "00181164", "00182010"),  # aspect
        *("52009229", "52009230"),  # functional groups
    }
)


def governing(document: Json) -> dict[str, Any]:
    """What of an instance's DICOM JSON decides how its pixels are drawn: `render` draws the same
    from this."""
    shown_over = planes(document)
    return {
        tag: element
        for tag, element in document.items()
        if tag in _GOVERNING or tag[:4] in shown_over
    }


def aspect(document: Json, frame_index: int) -> float:
    """Height of a pixel over its width: Pixel Aspect Ratio, else a spacing (PS3.3 §C.7.6.3.1.7).

    What is not to be believed counts as square.
    """
    spacings = [group.get("00280030") for group in _groups(document, frame_index, "00289110")] + [
        document.get(tag) for tag in ("00181164", "00182010")
    ]
    for element in (document.get("00280034"), *spacings):
        values = [_float(value) for value in (element or {}).get("Value") or []]
        if len(values) == 2 and values[0] and values[1] and 0.05 <= values[0] / values[1] <= 20:
            return values[0] / values[1]
    return 1.0


def _groups(document: Json, frame_index: int, macro: str) -> Iterator[Json]:
    """Where an attribute of that functional group is to be looked for, in order: what is said of
    the frame, of all frames (PS3.3 §C.7.6.16), of an instance without functional groups."""
    for of, index in (("52009230", frame_index), ("52009229", 0)):
        items = _items(document, of)
        if index < len(items):
            yield from _items(items[index], macro)[:1]
    yield document


def _items(document: Json, tag: str) -> list[Json]:
    values = document.get(tag, {}).get("Value") or []
    return [value for value in values if isinstance(value, dict)] if values else []


def _number(document: Json, tag: str) -> float | None:
    """The first value, None when absent or no finite number."""
    values = document.get(tag, {}).get("Value") or [None]
    return _float(values[0])


def _float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _whole(document: Json, tag: str) -> int | None:
    number = _number(document, tag)
    return None if number is None else int(number)


def _text(document: Json, tag: str) -> str:
    values = document.get(tag, {}).get("Value") or [""]
    return str(values[0])
