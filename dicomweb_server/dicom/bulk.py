"""One value of a data set as the bulk data resource sends it (PS3.18 §10.4.1.1.5).

Binary values go out little endian (§F.2.6), texts in UTF-8 (§F.2.2, note 4), encapsulated pixel
data as its fragments joined: one codestream for one frame, the stream of a video.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dicomweb_server.dicom.charset import decode
from dicomweb_server.dicom.errors import NotInDataSet, TooLarge
from dicomweb_server.dicom.frames import Extent
from dicomweb_server.dicom.json_model import WORD_BYTES, settled_vr, swap
from dicomweb_server.dicom.part10 import (
    ItemTable,
    Limits,
    charset_inside,
    extents_of,
    find,
    open_data_set,
)
from dicomweb_server.dicom.source import BytesSource, Source

_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_TEXT_LIMIT = 64 * 1024 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BulkValue:
    """length  of what `chunks` gives, in bytes"""

    vr: str
    length: int
    source: Source
    extents: tuple[Extent, ...]
    swapped: int

    def part(self, offset: int, length: int) -> Iterator[bytes]:
        """So many of its bytes from `offset` on, without reading much before them."""
        # Words are turned round whole: begin at one.
        start = offset - offset % self.swapped if self.swapped else offset
        end = offset + length
        at = 0
        for extent in self.extents:
            low, high = max(start - at, 0), min(end - at, extent.length)
            if self.swapped:
                high = min(-(-high // self.swapped) * self.swapped, extent.length)
            if low < high:
                inner = Extent(extent.offset + low, high - low)
                first = at + low
                for chunk in swapped_chunks(self.source, inner, word_bytes=self.swapped):
                    yield chunk[max(offset - first, 0) : max(end - first, 0)]
                    first += len(chunk)
            at += extent.length

    def chunks(self) -> Iterator[bytes]:
        """The value's bytes, 1 MiB at most at a time."""
        for extent in self.extents:
            yield from swapped_chunks(self.source, extent, word_bytes=self.swapped)


def swapped_chunks(source: Source, extent: Extent, *, word_bytes: int) -> Iterator[bytes]:
    """The bytes of an extent, words of `word_bytes` turned round when it is above 1."""
    end = extent.offset + extent.length
    for offset in range(extent.offset, end, _CHUNK):
        chunk = source.read_at(offset, min(_CHUNK, end - offset))
        yield swap(chunk, word_bytes) if word_bytes > 1 else chunk


def bulk_value(source: Source, path: str, *, limits: Limits | None = None) -> BulkValue:
    """The value at `path`, which a BulkDataURI of the metadata ends with.

    Raises NotInDataSet, TooLarge for a text above 64 MiB that is not in UTF-8 already, and what
    reading the file raises.
    """
    opened = open_data_set(source, limits=limits or Limits())
    tag, element, inside = find(opened.structure, path)
    if isinstance(element.value, (list, ItemTable)):
        raise NotInDataSet(path)
    vr = settled_vr(tag, element, inside[0], tuple(inside[1:]))
    extents = extents_of(element)
    length = sum(extent.length for extent in extents)
    if vr in _TEXT_VRS:
        charset = charset_inside(opened.structure, inside)
        if charset[0] != "UTF8":
            if length > _TEXT_LIMIT:
                raise TooLarge(path, "bytes of text", found=length, limit=_TEXT_LIMIT)
            text = decode(b"".join(_pieces(opened.source, extents)), charset).encode()
            return BulkValue(vr, len(text), BytesSource(text), (Extent(0, len(text)),), 0)
    swapped = WORD_BYTES.get(vr, 0) if opened.structure.big_endian else 0
    return BulkValue(vr, length, opened.source, tuple(extents), swapped)


def _pieces(source: Source, extents: list[Extent]) -> Iterator[bytes]:
    for extent in extents:
        yield source.read_at(extent.offset, extent.length)
