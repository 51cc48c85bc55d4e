"""The structure of a DICOM file: preamble, File Meta Information, data set, down to each element.

PS3.10 §7 and PS3.5 §7, read by position and with little memory: values above 64 KiB and the pixel
data are not read but noted by where they lie. Values stay bytes; what they mean is json_model.py,
where frames lie is frames.py.

Files are read as real ones are written:
- the preamble and prefix, or the File Meta Information too, may be missing; the transfer syntax
  is then guessed from the first element and the file must hold a data set with its UIDs;
- the File Meta Information ends where its group ends, whatever its group length says;
- an item of an explicit VR sequence may be written in implicit VR, as PS3.5 §6.2.2 asks of UN, and
  so may a single element;
- UN is read as the VR that the dictionary gives (PS3.5 §6.2.2, note), as pydicom does;
- the last delimiter of encapsulated pixel data may be missing at the end of the file;
- fewer than 8 bytes after the last element are kept and not read;
- a sequence of defined length that cannot be read inside is one opaque value.

Refused: an element that reaches beyond its item or the end of the file, an item or delimiter where
none can be, sequences deeper or headers longer than the limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from dicomweb_server.dicom.charset import DEFAULT, Charset, charset_of
from dicomweb_server.dicom.errors import Malformed, NotDicom, NotInDataSet, TooLarge
from dicomweb_server.dicom.frames import LARGE, Extent, pieces
from dicomweb_server.dicom.inflate import inflate
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    TransferSyntax,
    transfer_syntax,
)

UNDEFINED = 0xFFFFFFFF
ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD

SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_DATA = 0x7FE00010
PIXEL_DATA_TAGS = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)
"""Pixel Data, Float Pixel Data, Double Float Pixel Data: never together in one data set."""

EXPLICIT_SHORT = {str(vr).encode(): str(vr) for vr in sorted(EXPLICIT_VR_LENGTH_16)}
EXPLICIT_LONG = {str(vr).encode(): str(vr) for vr in sorted(EXPLICIT_VR_LENGTH_32)}
"""VRs with a length of 16 and of 32 bits in explicit VR (PS3.5 Tables 7.1-2 and 7.1-1)."""

_WINDOW = 16 * 1024
"""Read at a time, or as much as a value needs: most headers end within it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one instance may ask of this program, and what is taken for granted of it.

    skeleton_bytes  what is left of a file when its large values are cut out
    elements        elements and items held at once; items of long sequences are held one by one
    held_items      longer sequences of the root data set are ItemTables
    depth           sequences within sequences
    inflated_bytes  of a deflated data set, and at most 100 times its deflated length when it is
                    longer than 256 MiB
    frames          frames or fragments
    spool           directory for inflated data sets above 8 MiB; None is the system's
    charset         of texts where no character set is named
    """

    skeleton_bytes: int = 32 * 1024 * 1024
    elements: int = 500_000
    held_items: int = 64
    depth: int = 64
    inflated_bytes: int = 2 * 1024 * 1024 * 1024
    frames: int = 1_000_000
    spool: Path | None = None
    charset: Charset = DEFAULT


class Fragments(NamedTuple):
    """An encapsulated value: the Basic Offset Table item, and the fragments after it."""

    table: Extent
    fragments: list[Extent]


class Element(NamedTuple):
    """One element of a data set.

    vr      as written, else as the dictionaries say, else "UN"; may be one of the dictionary's
            choices ("US or SS")
    offset  of the value's first byte in the source
    length  of the value in bytes, delimiters excluded
    value   the value's bytes, items, or fragments; None when it is to be read at its extent
    """

    vr: str
    offset: int
    length: int
    value: "bytes | Items | Fragments | None"

    @property
    def extent(self) -> Extent:
        return Extent(self.offset, self.length)


class DataSet:
    """Elements by tag, in the order they were read; of equal tags the last one counts.

    implicit  how its elements are written: without VRs
    offset    of its first element in the source
    """

    __slots__ = ("elements", "implicit", "offset")

    def __init__(self, offset: int, *, implicit: bool) -> None:
        self.elements: dict[int, Element] = {}
        self.implicit = implicit
        self.offset = offset


class _Span(NamedTuple):
    """Where the elements of an item begin, where they end at the latest, how it is written."""

    offset: int
    end: int
    implicit: bool
    delimited: bool


class ItemTable:
    """The items of a long sequence: read again each time, one held at a time.

    Functional groups of a multi-frame image run to hundreds of thousands of items; as objects
    they would take twenty times their bytes.
    """

    def __init__(self, walk: "Walk", spans: list[_Span]) -> None:
        self._again = walk.again
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[DataSet]:
        walk = self._again()
        for span in self._spans:
            yield walk.item(span)

    def __getitem__(self, number: int) -> DataSet:
        return self._again().item(self._spans[number])


Items = list[DataSet] | ItemTable


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before the data set.

    prefixed             preamble and prefix are there
    transfer_syntax_uid  as the File Meta Information says, else guessed from the first element
    sop_class_uid        Media Storage SOP Class UID, "" when absent; so is sop_instance_uid
    dataset_offset       of the first byte after the File Meta Information
    """

    prefixed: bool
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    dataset_offset: int


@dataclass(frozen=True, slots=True)
class Structure:
    """A data set as read.

    large    values above 64 KiB other than the pixel data, as the contents they are cut in, by
             offset
    charset  of texts where no character set is named
    """

    data_set: DataSet
    big_endian: bool
    large: list[Extent]
    charset: Charset


def tag_text(tag: int) -> str:
    """`(7FE0,0010)`"""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def read_head(source: Source) -> Head:
    """Reads preamble, prefix and File Meta Information. Raises NotDicom, Malformed, TooLarge."""
    start = source.read_at(0, 132)
    prefixed = start[128:132] == b"DICM"
    if len(start) < 8:
        raise NotDicom(f"{len(start)} bytes are too few")
    position = 132 if prefixed else 0
    meta, position = _read_meta(source, position)
    position = _after_command_set(source, position)
    if not prefixed and not meta and start[:2] not in (b"\x08\0", b"\0\x08", b"\x02\0"):
        raise NotDicom("neither the prefix DICM at byte 128 nor a data set at byte 0")
    uid = meta.get(0x00020010, "")
    return Head(
        prefixed=prefixed,
        transfer_syntax_uid=uid or _guess_transfer_syntax(source.read_at(position, 6)),
        sop_class_uid=meta.get(0x00020002, ""),
        sop_instance_uid=meta.get(0x00020003, ""),
        dataset_offset=position,
    )


def _read_meta(source: Source, position: int) -> tuple[dict[int, str], int]:
    """The UIDs of group 0002, Explicit VR Little Endian (PS3.10 §7.1), and where it ends."""
    explicit, implicit, long_length = _HEADERS[False]
    wanted: dict[int, str] = {}
    limit = position + _META_LIMIT
    window, base, end = b"", position, source.length
    while True:
        at = position - base
        if at + 12 > len(window):
            window, base, at = source.read_at(position, _META_WINDOW), position, 0
        header = window[at : at + 8]
        if len(header) < 8 or not header.startswith(b"\x02\0"):
            return wanted, position
        group, number, vr, length = explicit(header)
        position += 8
        if vr not in EXPLICIT_SHORT:
            if vr in EXPLICIT_LONG and len(window) >= at + 12:
                length = long_length(window[at + 8 : at + 12])[0]
                position += 4
            else:  # some writers know implicit VR only
                length = implicit(header)[2]
        tag = group << 16 | number
        if position + length > end:
            raise _beyond(tag_text(tag), length, end - position)
        if position + length > limit:
            raise TooLarge(
                "File Meta Information",
                "bytes",
                found=position + length - limit + _META_LIMIT,
                limit=_META_LIMIT,
            )
        if tag in (0x00020002, 0x00020003, 0x00020010):
            wanted[tag] = source.read_at(position, length).decode("latin-1").strip("\0 ")
        position += length


def _after_command_set(source: Source, position: int) -> int:
    """Where a data set begins that somebody wrote with its DIMSE command in front (PS3.7 §6.3):
    elements of group 0000, always Implicit VR Little Endian, which are no part of it."""
    _, implicit, _ = _HEADERS[False]
    while True:
        header = source.read_at(position, 8)
        if len(header) < 8 or header[:2] != b"\0\0":
            return position
        length = implicit(header)[2]
        if position + 8 + length > source.length:
            return position
        position += 8 + length


def _guess_transfer_syntax(start: bytes) -> str:
    """From the first 6 bytes of a data set: a VR, or none; a group number either way round."""
    if start[4:6] not in EXPLICIT_SHORT and start[4:6] not in EXPLICIT_LONG:
        return IMPLICIT_VR_LITTLE_ENDIAN
    return EXPLICIT_VR_BIG_ENDIAN if start[0] == 0 else EXPLICIT_VR_LITTLE_ENDIAN


def _beyond(where: str, length: int, left: int) -> Malformed:
    return Malformed(where, f"claims {length} bytes, {left} are left")


def read_structure(
    source: Source,
    *,
    offset: int,
    implicit: bool,
    big_endian: bool,
    limits: Limits,
) -> Structure:
    """Reads the data set from `offset` to the end of the source. Raises Malformed, TooLarge."""
    walk = Walk(source, offset, big_endian=big_endian, limits=limits)
    implicit = is_implicit(source, offset, otherwise=implicit)
    data_set, _ = walk.data_set(offset, source.length, implicit=implicit, delimited=False)
    return Structure(data_set, big_endian, walk.large, limits.charset)


def is_implicit(source: Source, offset: int, *, otherwise: bool) -> bool:
    """Whether the data set at `offset` is written without VRs. Its first element decides, whatever
    the transfer syntax says: files whose header names the wrong one of the two are common."""
    peeked = source.read_at(offset + 4, 2)
    if len(peeked) < 2:
        return otherwise
    return not (0x40 < peeked[0] < 0x5B and 0x40 < peeked[1] < 0x5B)


class Walk:
    """One pass over a data set; `large` collects what is cut, `path` where the walk is."""

    def __init__(self, source: Source, offset: int, *, big_endian: bool, limits: Limits) -> None:
        self.source = source
        self.limits = limits
        self.big_endian = big_endian
        self.large: list[Extent] = []
        self.path: list[int] = []
        self.origin = offset
        self.skipped = 0
        self.counted = 0
        self.fragments_read = 0
        self.window = b""
        self.base = 0

    def again(self) -> "Walk":
        """Another walk, for items of the root data set's sequences."""
        walk = Walk(self.source, self.origin, big_endian=self.big_endian, limits=self.limits)
        walk.path = [ITEM]
        return walk

    def item(self, span: _Span) -> DataSet:
        """An item that was walked before."""
        self.counted, self.skipped, self.origin = 0, 0, span.offset
        self.large.clear()
        item, _ = self.data_set(
            span.offset, span.end, implicit=span.implicit, delimited=span.delimited
        )
        return item

    def where(self, tag: int) -> str:
        return ">".join(tag_text(each) for each in [*self.path, tag])

    def check(self, position: int, pending: int) -> None:
        """Looks at the limits, once a window.

        pending  elements read since the last count
        """
        held = position - self.origin - self.skipped
        if held > self.limits.skeleton_bytes:
            raise TooLarge("the header", "bytes", found=held, limit=self.limits.skeleton_bytes)
        counted = self.counted + pending
        if counted > self.limits.elements:
            raise TooLarge("the data set", "elements", found=counted, limit=self.limits.elements)

    def fill(self, position: int, pending: int, length: int = _WINDOW) -> None:
        """Moves the window to `position`; at least `length` bytes are in it if there are."""
        self.check(position, pending)
        self.window = self.source.read_at(position, max(length, _WINDOW))
        self.base = position

    def data_set(
        self, position: int, end: int, *, implicit: bool, delimited: bool
    ) -> tuple[DataSet, int]:
        """The elements from `position` up to `end` or, when `delimited`, the item's delimiter.

        Returns them and where the next thing begins.
        """
        found = DataSet(position, implicit=implicit)
        elements = found.elements
        explicit_header, implicit_header, long_length = _HEADERS[self.big_endian]
        plain = _PLAIN[self.big_endian, implicit]
        self.counted += 1
        window, base = self.window, self.base
        top = not self.path
        while end - position >= 8:
            at = position - base
            if at < 0 or at + 12 > len(window):
                self.fill(position, len(elements))
                window, base, at = self.window, self.base, 0
            header = window[at : at + 8]
            value = position + 8
            known = plain.get(header)
            if known is not None:
                tag, known_vr, length = known
                position = value + length
                if position > end:
                    raise _beyond(self.where(tag), length, end - value)
                at += 8
                if at + length > len(window):
                    self.fill(value, len(elements), length)
                    window, base, at = self.window, self.base, 0
                elements[tag] = _new(Element, (known_vr, value, length, window[at : at + length]))
                continue
            vr: str | None = None
            if implicit:
                group, number, length = implicit_header(header)
            else:
                group, number, code, length = explicit_header(header)
                vr = EXPLICIT_SHORT.get(code)
                if vr is None:
                    vr = EXPLICIT_LONG.get(code)
                    if vr is not None:
                        if end - position < 12:
                            raise Malformed(
                                self.where(group << 16 | number), "ends inside its length"
                            )
                        length = long_length(window[at + 8 : at + 12])[0]
                        value = position + 12
                    else:
                        vr, value, length = self.odd_header(position, end, window[at : at + 12])
            tag = group << 16 | number
            if tag == ITEM_END:
                if length:
                    raise Malformed(self.where(tag), f"claims {length} bytes, a delimiter has none")
                self.counted += len(elements)
                return found, value
            if group == 0xFFFE:
                if tag != SEQUENCE_END or length:
                    raise Malformed(self.where(tag), f"is no element, at byte {position}")
                position = value  # one delimiter too many, as some writers leave behind
                continue
            if vr is None or (
                vr == "UN" and (length < 0xFFFF or (tag & 0x10000 and length != UNDEFINED))
            ):
                vr = vr_of(tag, elements)
            if length == UNDEFINED:
                element, position = self.undefined(tag, vr, value, end, implicit=implicit)
            else:
                position = value + length
                if position > end:
                    raise _beyond(self.where(tag), length, end - value)
                if vr == "SQ":
                    element = self.sequence(tag, value, length, implicit=implicit)
                elif length <= LARGE and not (top and tag in PIXEL_DATA_TAGS):
                    at = value - base
                    if position - base > len(window):
                        self.fill(value, len(elements), length)
                        window, base, at = self.window, self.base, 0
                    element = Element(vr, value, length, window[at : at + length])
                    context_free = not tag & 0x10000 if implicit else code in EXPLICIT_SHORT
                    if context_free and tag not in PIXEL_DATA_TAGS:
                        if len(plain) >= _PLAIN_HEADERS:
                            plain.clear()
                        plain[header] = tag, vr, length
                elif top and tag in PIXEL_DATA_TAGS:
                    element = Element(vr, value, length, None)
                    self.skipped += length
                else:
                    element = self.cut(Element(vr, value, length, None))
            elements[tag] = element
            if self.base != base:
                window, base = self.window, self.base
        if delimited:
            raise Malformed(self.where(ITEM), "has no delimiter")
        if not top and position != end:
            raise Malformed(self.where(ITEM), f"ends with {end - position} bytes of no element")
        self.counted += len(elements)
        return found, end

    def odd_header(self, position: int, end: int, header: bytes) -> tuple[str | None, int, int]:
        """VR, value's offset and length of an explicit element whose VR is none of PS3.5 §6.2.

        Not two capitals: an element in implicit VR among explicit ones, as some writers leave
        them. Two capitals: a VR to come, with a length of 32 bits (PS3.5 §7.1.2), or a misspelt
        one of 16; the two reserved bytes tell.
        """
        _, implicit_header, long_length = _HEADERS[self.big_endian]
        if not b"AA" <= header[4:6] <= b"ZZ":
            return None, position + 8, implicit_header(header[:8])[2]
        if header[6:8] == b"\0\0" and len(header) == 12:
            length = long_length(header[8:12])[0]
            if length == UNDEFINED or position + 12 + length <= end:
                return "UN", position + 12, length
        explicit_header = _HEADERS[self.big_endian][0]
        return "UN", position + 8, explicit_header(header[:8])[3]

    def undefined(
        self, tag: int, vr: str, position: int, end: int, *, implicit: bool
    ) -> tuple[Element, int]:
        """An element of undefined length: items or fragments up to the sequence delimiter."""
        if vr in ("SQ", "UN") or (tag & 0x10000 and implicit):
            self.enter(tag)
            items, value_end, position_after = self.items(
                position, end, implicit=implicit, delimited=True
            )
            self.path.pop()
            return Element("SQ", position, value_end - position, items), position_after
        return self.fragments(tag, vr, position, end)

    def sequence(self, tag: int, position: int, length: int, *, implicit: bool) -> Element:
        """A sequence of defined length. When it cannot be read inside it becomes one opaque
        value: where it ends is known, so the rest of the instance is not lost with it."""
        state = len(self.large), self.skipped, list(self.path)
        self.enter(tag)
        try:
            items, _, _ = self.items(
                position, position + length, implicit=implicit, delimited=False
            )
        except Malformed:
            kept, self.skipped, self.path = state
            del self.large[kept:]
            element = Element("UN", position, length, None)
            if length <= LARGE:
                return element._replace(value=self.source.read_at(position, length))
            return self.cut(element)
        self.path.pop()
        return Element("SQ", position, length, items)

    def cut(self, element: Element) -> Element:
        """An element whose value is too long for the skeleton."""
        self.skipped += element.length
        self.large.extend(pieces(element.extent))
        return element

    def enter(self, tag: int) -> None:
        self.path.append(tag)
        if len(self.path) > self.limits.depth:
            raise TooLarge(
                tag_text(self.path[0]),
                "levels of sequences",
                found=len(self.path),
                limit=self.limits.depth,
            )

    def items(
        self, position: int, end: int, *, implicit: bool, delimited: bool
    ) -> tuple[Items, int, int]:
        """The items of a sequence, where its value ends, and where the next thing begins."""
        _, header, _ = _HEADERS[self.big_endian]
        items: list[DataSet] = []
        spans: list[_Span] = []
        counted = self.counted
        while end - position >= 8:
            at = position - self.base
            if at < 0 or at + 14 > len(self.window):
                self.fill(position, len(spans))
                at = 0
            window = self.window
            group, number, length = header(window[at : at + 8])
            tag = group << 16 | number
            if tag == SEQUENCE_END:
                return self.held(items, spans), position, position + 8
            if tag != ITEM:
                raise Malformed(self.where(tag), f"is no item, at byte {position}")
            bare = implicit
            if not bare:
                code = window[at + 12 : at + 14]
                bare = len(code) < 2 or not (0x40 < code[0] < 0x5B and 0x40 < code[1] < 0x5B)
            position += 8
            open_end = length == UNDEFINED
            if not open_end and position + length > end:
                raise _beyond(self.where(ITEM), length, end - position)
            span = _Span(position, end if open_end else position + length, bare, open_end)
            item, position = self.data_set(position, span.end, implicit=bare, delimited=open_end)
            if not open_end:
                position = span.end
            spans.append(span)
            # At the root only: deeper, each level would be read twice as often as the one above.
            if len(self.path) == 1 and len(spans) > self.limits.held_items:
                self.counted = counted
                items.clear()
            else:
                items.append(item)
        if delimited:
            raise Malformed(self.where(SEQUENCE_END), "is missing: the sequence has no end")
        if position != end:
            raise Malformed(self.where(ITEM), f"leaves {end - position} bytes of no item")
        return self.held(items, spans), end, end

    def held(self, items: list[DataSet], spans: list[_Span]) -> Items:
        return items if len(items) == len(spans) else ItemTable(self, spans)

    def fragments(self, tag: int, vr: str, position: int, end: int) -> tuple[Element, int]:
        """Encapsulated pixel data, or what is written like it (PS3.5 §A.4).

        Fragment headers are read one by one: between them lie the fragments.
        """
        _, header, _ = _HEADERS[self.big_endian]
        top = not self.path
        start = position
        found: list[Extent] = []
        while end - position >= 8:
            group, number, length = header(self.source.read_at(position, 8))
            item = group << 16 | number
            position += 8
            if item == SEQUENCE_END:
                return self.fragmented(tag, vr, start, position - 8, found), position
            if item != ITEM:
                raise Malformed(self.where(tag), f"has {tag_text(item)} where a fragment begins")
            if position + length > end:
                raise _beyond(f"{self.where(tag)} fragment {len(found)}", length, end - position)
            found.append(Extent(position, length))
            position += length
            self.fragments_read += 1
            if self.fragments_read > self.limits.frames + 1:
                raise TooLarge(
                    self.where(tag),
                    "fragments",
                    found=self.fragments_read,
                    limit=self.limits.frames,
                )
        if not (top and found):
            raise Malformed(self.where(tag), "has no sequence delimiter")
        # Some writers end the file after the last fragment.
        return self.fragmented(tag, vr, start, position, found), position

    def fragmented(self, tag: int, vr: str, start: int, end: int, found: list[Extent]) -> Element:
        pixels = not self.path and tag in PIXEL_DATA_TAGS
        table = found[0] if found else Extent(end, 0)
        for n, extent in enumerate(found):
            if pixels and n > 0:
                self.skipped += extent.length
            elif extent.length > LARGE:
                self.skipped += extent.length
                self.large.extend(pieces(extent))
        value = Fragments(table, found[1:])
        return Element("OB" if vr == "OB or OW" else vr, start, end - start, value)


_new = tuple.__new__
"""Of a named tuple, in half the time that calling it takes."""

_META_LIMIT = 1024 * 1024
_META_WINDOW = 1024
_HEADERS = {
    big_endian: (
        Struct(f"{order}HH2sH").unpack,
        Struct(f"{order}HHI").unpack,
        Struct(f"{order}I").unpack,
    )
    for big_endian, order in ((False, "<"), (True, ">"))
}
"""By byte order: an explicit header's first 8 bytes, an implicit or item header, a long length."""

_PLAIN_HEADERS = 16384
_PLAIN: dict[tuple[bool, bool], dict[bytes, tuple[int, str, int]]] = {
    (big_endian, implicit): {} for big_endian in (False, True) for implicit in (False, True)
}
"""By byte order and way of writing: headers of 8 bytes that were met lately, of elements whose VR
needs nothing but them and whose value is short, with tag, VR and length. The elements of images of
one kind have the same few hundred, and looking one up costs a third of reading it."""


def vr_of(tag: int, elements: Mapping[int, Element]) -> str:
    """What the dictionaries say of an element of a data set (PS3.6 §6, and pydicom's of private
    elements)."""
    if not tag & 0x10000:
        return _public_vr(tag)
    number = tag & 0xFFFF
    if 0x10 <= number < 0x100:
        return "LO"
    creator = elements.get(tag & 0xFFFF0000 | number >> 8)
    if creator is None or number < 0x1000 or not isinstance(creator.value, bytes):
        return "UN"
    return _private_vr(tag, creator.value)


@lru_cache(maxsize=16384)
def _public_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UL" if tag & 0xFFFF == 0 else "UN"


@lru_cache(maxsize=16384)
def _private_vr(tag: int, creator: bytes) -> str:
    try:
        return private_dictionary_VR(tag, creator.decode("latin-1").strip("\0 "))
    except KeyError:
        return "UN"


class Opened(NamedTuple):
    """A data set that can be read again and again.

    source     what its offsets count in: the file, or its inflated data set
    structure  as `read_structure` gives it
    """

    head: Head
    syntax: TransferSyntax
    source: Source
    structure: Structure


def open_data_set(source: Source, *, limits: Limits, head: Head | None = None) -> Opened:
    """Reads a file down to the places of its values; `head` when that has been read. Raises
    NotDicom, Malformed, TooLarge."""
    head = head or read_head(source)
    syntax = transfer_syntax(head.transfer_syntax_uid)
    offset = head.dataset_offset
    if syntax.deflated:
        source = inflate(
            source, offset=offset, limit_bytes=limits.inflated_bytes, spool=limits.spool
        )
        offset = 0
    structure = read_structure(
        source,
        offset=offset,
        implicit=syntax.implicit,
        big_endian=syntax.big_endian,
        limits=limits,
    )
    return Opened(head, syntax, source, structure)


def find(structure: Structure, path: str) -> tuple[int, Element, list[DataSet]]:
    """The element at `path`: its tag, itself, and the data sets it lies in, nearest first.

    path  tags of 8 hex digits and item numbers from 0 in turn: `7FE00010`, `54000100/0/54001010`

    Raises NotInDataSet.
    """
    inside = [structure.data_set]
    steps = path.split("/")
    try:
        for tag, number in zip(steps[:-1:2], steps[1::2], strict=True):
            items = inside[0].elements[_tag_of(tag)].value
            if not (isinstance(items, (list, ItemTable)) and number.isdecimal()):
                raise NotInDataSet(path)
            inside.insert(0, items[int(number)])
        tag_found = _tag_of(steps[-1])
        return tag_found, inside[0].elements[tag_found], inside
    except (KeyError, IndexError, ValueError):
        raise NotInDataSet(path) from None


def charset_in(data_set: DataSet, *, otherwise: Charset) -> Charset:
    """The character set that Specific Character Set of a data set names; `otherwise` where it is
    not there, or has no value."""
    named = data_set.elements.get(SPECIFIC_CHARACTER_SET)
    if named is None or not isinstance(named.value, bytes) or not named.value.strip(b"\\ \0"):
        return otherwise
    return charset_of(named.value)


def charset_inside(structure: Structure, inside: Sequence[DataSet]) -> Charset:
    """That of the texts of the first of these data sets, each of which lies in the next, as `find`
    gives them."""
    charset = structure.charset
    for data_set in reversed(inside):
        charset = charset_in(data_set, otherwise=charset)
    return charset


def _tag_of(text: str) -> int:
    if len(text) != 8:
        raise ValueError(text)
    return int(text, 16)


def extents_of(element: Element) -> list[Extent]:
    """Where a value's bytes lie; those of an encapsulated one are its fragments."""
    if isinstance(element.value, Fragments):
        return element.value.fragments
    return [element.extent]
