"""Lookup tables in a data set: modality (PS3.3 §C.11.1), VOI (§C.11.2) and palette (§C.7.9).

They are read from the DICOM JSON of an instance; long ones are bulk data, which the caller fetches.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.json_model import key_text

Json = Mapping[str, Any]
"""One DICOM JSON object: tag of 8 hex digits -> {"vr": ..., "Value": [...]}"""

FetchBulk = Callable[[str], bytes]
"""From the path of a value (`00281201`, `00283010/0/00283006`) to its bytes, little endian."""

BULK_DATA = "bulkdata/"
"""What a relative BulkDataURI begins with."""


@dataclass(frozen=True, slots=True)
class LookupTable:
    """entries  output values, unsigned
    first    the input that gives entries[0]; below it the first, past the end the last is given
    bits     of an entry that are used
    """

    entries: npt.NDArray[np.uint16]
    first: int
    bits: int

    def __call__(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint16]:
        last = len(self.entries) - 1
        places = np.clip(np.nan_to_num(np.rint(values)) - self.first, 0, last)
        found: npt.NDArray[np.uint16] = self.entries[places.astype(np.intp)]
        return found


def lookup_table(
    document: Json,
    *,
    descriptor: str,
    content: str,
    signed: bool,
    segmented: str | None = None,
    path: str = "",
    fetch: FetchBulk | None,
) -> LookupTable | None:
    """The table of those three attributes, None when there is none or its bulk data is not at hand.

    descriptor, content, segmented  tags: number of entries, first input and bits; the entries as
                                    they are; the entries as segments (PS3.3 §C.7.9.2)
    signed                          whether the first input may be negative
    path                            of the item they are in, ending in /

    Raises Malformed.
    """
    values = document.get(descriptor, {}).get("Value") or []
    if len(values) != 3 or not all(isinstance(value, int) for value in values):
        return None
    count, first, bits = values
    count = count % 65536 or 65536
    first = first % 65536
    if signed and first >= 32768:
        first -= 65536
    if not 1 <= bits <= 16:
        raise Malformed(key_text(descriptor), f"says an entry has {bits} bits")
    words = _words(document, content, path=path, fetch=fetch)
    if words is not None and len(words) * 2 < count * 2 and bits <= 8:
        # Entries of 8 bits may be packed two a word (PS3.3 §C.7.6.3.1.6).
        words = words.view(np.uint8).astype(np.uint16)
    if words is None and segmented:
        segments = _words(document, segmented, path=path, fetch=fetch)
        words = None if segments is None else expanded(segments, count=count)
    if words is None:
        return None
    if len(words) == 0:
        raise Malformed(key_text(content), "holds no entries")
    if bits == 16 and int(words[:count].max()) < 256:
        # Some writers say 16 and store 8; as 16 the table would be black.
        bits = 8
    return LookupTable(words[:count], first, bits)


def expanded(segments: npt.NDArray[np.uint16], *, count: int) -> npt.NDArray[np.uint16]:
    """The `count` entries of a segmented palette of 16-bit entries (PS3.3 §C.7.9.2).

    Raises Malformed when the segments break off, refer elsewhere than they may, or give too few.
    """
    entries: list[int] = []
    _expand(segments.tolist(), 0, entries, count=count, segments=None)
    if len(entries) < count:
        raise Malformed(_SEGMENTED, f"gives {len(entries)} entries, not {count}")
    return np.array(entries[:count], np.uint16)


_SEGMENTED = "segmented palette"


def _expand(
    words: list[int], at: int, entries: list[int], *, count: int, segments: int | None
) -> None:
    """Appends what the segments from word `at` on give, all of them or that many."""
    nested = segments is not None
    # A single word at the end is padding.
    while at + 1 < len(words) and len(entries) < count and segments != 0:
        kind, length = words[at : at + 2]
        operands = words[at + 2 : at + 4]
        match kind:
            case 0:  # discrete
                entries += words[at + 2 : at + 2 + length]
                at += 2 + length
            case 1 if entries and operands:  # linear
                ramp = np.linspace(entries[-1], operands[0], length + 1)[1:]
                entries += np.rint(ramp).astype(int).tolist()
                at += 3
            case 2 if entries and len(operands) == 2 and not nested:  # indirect
                # The standard says bytes; those who read it (GDCM, pydicom) counts words.
                start = operands[0] + (operands[1] << 16)
                _expand(words, start, entries, count=count, segments=length)
                at += 4
            case _:
                raise Malformed(_SEGMENTED, f"has a segment of type {kind} that cannot be read")
        segments = None if segments is None else segments - 1


def _words(
    document: Json, tag: str, *, path: str, fetch: FetchBulk | None
) -> npt.NDArray[np.uint16] | None:
    element = document.get(tag, {})
    if "Value" in element:
        try:
            return np.array([value % 65536 for value in element["Value"]], np.uint16)
        except (TypeError, ValueError) as error:
            raise Malformed(key_text(tag), "holds other than numbers") from error
    if "InlineBinary" in element:
        try:
            content = b64decode(element["InlineBinary"])
        except (NotBase64, TypeError) as error:
            raise Malformed(key_text(tag), "is not base64") from error
    elif "BulkDataURI" in element and fetch is not None:
        content = fetch(path + tag)
    else:
        return None
    return np.frombuffer(content[: len(content) // 2 * 2], "<u2").astype(np.uint16)
