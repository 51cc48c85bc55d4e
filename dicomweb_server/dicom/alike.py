"""What is the same in one instance as in those before it is not read again.

The slices of a series share nine tenths of their data sets, byte for byte, and what has the same
bytes in the same context says the same. Instances with the same attributes, of one SOP class in one
transfer syntax, are a kind; of a kind it is known which attributes have differed so far. Those are
read, and the runs between them compared with what they were: a hundred elements by one comparison.
An instance that differs in anything else is read as ever, and what differed varies from then on.

Never taken to vary, so that a difference there is read as ever: what decides how other bytes are
read (Specific Character Set, Pixel Representation, Bits Allocated, LUT Descriptor, Waveform Bits
Allocated, private creators), and values in a VR that the file does not say. Pixels and what follows
them are always read.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from struct import Struct
from typing import NamedTuple

from dicomweb_server.dicom import json_model
from dicomweb_server.dicom.attributes import TIMEZONE, Attributes, level_of, terms_of_element
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.frames import LARGE
from dicomweb_server.dicom.json_model import Json, key_of
from dicomweb_server.dicom.part10 import (
    EXPLICIT_LONG,
    EXPLICIT_SHORT,
    UNDEFINED,
    Element,
    Fragments,
    Head,
    ItemTable,
    Limits,
    Opened,
    Structure,
    Walk,
    is_implicit,
    vr_of,
)
from dicomweb_server.dicom.source import BytesSource, Source
from dicomweb_server.dicom.transfer_syntaxes import TransferSyntax, transfer_syntax
from storage.model import Level, QueryLevel

Terms = dict[str, tuple[str, ...]]
"""What is found of an attribute, and with which values."""

KINDS = 4
"""Of one SOP class in one transfer syntax: those that came last."""

CLASSES = 16
"""SOP classes and transfer syntaxes of which kinds are known."""

COMPARED_BYTES, COMPARED_ELEMENTS = 32 * 1024, 1000
"""Longer data sets, pixels excluded, are read as ever. A kind of CT or MR images takes 70 kB, the
largest there can be 0.5 MB."""

FAILURES = 8
"""After so many in a row that differ in what may not vary, instances with these attributes are read
as ever."""

_DELIMITER_BYTES = 8

_PIXELS = 0x7FE00000
_CONTEXT = (0x00080005, 0x00280103)
"""Specific Character Set and Pixel Representation: decide in the items of sequences too."""

_DECIDE = frozenset({*_CONTEXT, 0x00280100, 0x00283002, 0x54001004})
_TAG = Struct("<HH")


class _Varying(NamedTuple):
    """How an attribute that varies is read.

    header        what its header begins with: tag and, in explicit VR, VR and reserved bytes
    length_bytes  of the length behind that
    key           in DICOM JSON; None for a group length, which is not there
    """

    header: bytes
    length_bytes: int
    tag: int
    vr: str
    key: str | None


class _Field(NamedTuple):
    """A top-level element of an instance that was read.

    raw      its bytes, without a value that is cut out of the skeleton
    json     what it says; None for a group length
    varying  how it is read when it varies; None when it must not
    cut      whether its value is cut out, so that it is never compared
    """

    raw: bytes
    key: str
    json: Json | None
    varying: _Varying | None
    cut: bool


class _Step(NamedTuple):
    """Bytes that are the same in all, what they say, and the attribute after them that varies; None
    after the last."""

    run: bytes
    says: Json
    varying: _Varying | None


class Alike(NamedTuple):
    """An instance that was read as one of its kind.

    structure  pixels, what follows them, and what else was read
    document   the whole instance as DICOM JSON
    level_of   as `attributes.level_of`
    """

    syntax: TransferSyntax
    structure: Structure
    document: Json
    level_of: Callable[[Json, QueryLevel, Attributes], Level]


def read_alike(source: Source, head: Head, *, limits: Limits) -> Alike | None:
    """The instance, when it is of a kind that is known; else it is to be read as ever."""
    if not isinstance(source, BytesSource):
        return None
    for seen in _seen.get((head.transfer_syntax_uid, head.sop_class_uid), ()):
        kind = seen.kind
        if kind is None or kind.limits != limits:
            continue
        with suppress(DicomError):  # which whoever reads it as ever meets too, and says
            if (found := kind.read(source, head.dataset_offset)) is not None:
                return Alike(transfer_syntax(head.transfer_syntax_uid), *found, kind.level_of)
    return None


def remember(source: Source, opened: Opened, document: Json, *, limits: Limits) -> None:
    """An instance that was read as ever: those that are like it need not be."""
    head, syntax = opened.head, opened.syntax
    if not isinstance(source, BytesSource) or syntax.deflated or syntax.big_endian:
        return
    tags = tuple(opened.structure.data_set.elements)
    of_class = head.transfer_syntax_uid, head.sop_class_uid
    all_seen = _seen.get(of_class, ())
    seen = next((each for each in all_seen if each.tags == tags), None)
    if seen is None:
        # What comes once is not worth more; nearly all that comes twice comes again.
        seen = _Seen(tags, None, 0)
    elif seen.failures < FAILURES:
        seen = _seen_again(seen, source, opened, document, limits)
    else:
        return
    if of_class not in _seen and len(_seen) >= CLASSES:
        _seen.clear()
    others = [each for each in all_seen if each.tags != tags]
    _seen[of_class] = (seen, *others[: KINDS - 1])


class _Seen(NamedTuple):
    """Instances with these attributes came; `failures` times in a row they differed in what may
    not vary."""

    tags: tuple[int, ...]
    kind: "_Kind | None"
    failures: int


_seen: dict[tuple[str, str], tuple[_Seen, ...]] = {}


def _seen_again(
    seen: _Seen, source: BytesSource, opened: Opened, document: Json, limits: Limits
) -> _Seen:
    read = _fields(source.content, opened, document)
    if read is None:
        return _Seen(seen.tags, None, FAILURES)
    known = seen.kind
    if known is not None and known.limits == limits:
        kind = known.with_another(read)
        if kind is not None:
            return _Seen(seen.tags, kind, 0)
    elements = opened.structure.data_set.elements
    kind = _Kind(
        read,
        frozenset(number for number, field in enumerate(read) if field.cut),
        context={tag: elements[tag] for tag in _CONTEXT if tag in elements},
        implicit=opened.structure.data_set.implicit,
        limits=limits,
    )
    return _Seen(seen.tags, kind, seen.failures + 1)


def _fields(content: bytes, opened: Opened, document: Json) -> list[_Field] | None:
    """What lies before the pixels; None when it is too much, not read one after the other, or
    not as it says."""
    data_set, at = opened.structure.data_set, opened.head.dataset_offset
    fields: list[_Field] = []
    compared = elements = 0
    previous = -1
    for tag, element in data_set.elements.items():
        if tag <= previous:
            return None
        previous = tag
        if tag >= _PIXELS:
            continue
        code = content[at + 4 : at + 6]
        if data_set.implicit:
            written, header, length_bytes = None, 4, 4
        elif (written := EXPLICIT_SHORT.get(code)) is not None:
            header, length_bytes = 6, 2
        elif (written := EXPLICIT_LONG.get(code)) is not None:
            header, length_bytes = 8, 4
        else:
            return None
        value = at + header + length_bytes
        if content[at : at + 4] != _TAG.pack(tag >> 16, tag & 0xFFFF) or element.offset != value:
            return None
        end = value + element.length
        if int.from_bytes(content[value - length_bytes : value], "little") == UNDEFINED:
            end += _DELIMITER_BYTES
        key = key_of(tag)
        varying = None
        if _may_vary(tag, data_set.elements, written):
            says = key if tag & 0xFFFF else None
            varying = _Varying(content[at : at + header], length_bytes, tag, element.vr, says)
        cut = element.value is None
        if isinstance(element.value, Fragments) or (cut and varying is None):
            return None
        raw = content[at : value if cut else end]
        fields.append(_Field(raw, key, document.get(key), varying, cut))
        compared += len(raw)
        # A sequence has no more than so many.
        elements += 1 if isinstance(element.value, bytes) else len(raw) // 8
        at = end
    few = compared <= COMPARED_BYTES and elements <= COMPARED_ELEMENTS
    return fields if fields and few else None


def _may_vary(tag: int, elements: Mapping[int, Element], written: str | None) -> bool:
    """Whether the element's header says alone how its value is read.

    written  its VR in the file, None in implicit VR
    """
    private = bool(tag & 0x10000)
    element = elements[tag]
    vr, items = element.vr, isinstance(element.value, (list, ItemTable))
    if tag in _DECIDE or (private and 0x10 <= tag & 0xFFFF < 0x100) or items != (vr == "SQ"):
        return False
    if written is None:
        # What is UN may be a sequence that could not be read inside, and what is a sequence may be
        # one by its length alone.
        return len(vr) == 2 and vr == vr_of(tag, elements)
    return written == vr != "UN"


def _steps(fields: Sequence[_Field], varying: Collection[int]) -> Iterator[_Step]:
    run: list[bytes] = []
    says = Json()
    for number, field in enumerate(fields):
        if number in varying:
            yield _Step(b"".join(run), says, field.varying)
            run, says = [], Json()
            continue
        run.append(field.raw)
        if field.json is not None:
            says[field.key] = field.json
    yield _Step(b"".join(run), says, None)


class _Kind:
    """Instances that are alike: the fields of the last that was read as ever, and the numbers of
    those that have not been the same in all."""

    def __init__(
        self,
        fields: Sequence[_Field],
        varying: frozenset[int],
        *,
        context: dict[int, Element],
        implicit: bool,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self._fields = fields
        self._varying = varying
        self._context = context
        self._implicit = implicit
        self._steps = tuple(_steps(fields, varying))
        self._varying_keys = frozenset(fields[number].key for number in varying)
        self._levels: dict[QueryLevel, tuple[Attributes, Level | dict[str, Terms]]] = {}

    def read(self, source: BytesSource, offset: int) -> tuple[Structure, Json] | None:
        """The instance whose data set begins at `offset`; None when it is none of this kind. Raises
        Malformed and TooLarge."""
        if is_implicit(source, offset, otherwise=self._implicit) != self._implicit:
            return None
        content, at = source.content, offset
        result: Json = {}
        read: dict[int, Element] = {}
        walk = Walk(source, offset, big_endian=False, limits=self.limits)
        for run, says, varying in self._steps:
            if not content.startswith(run, at):
                return None
            at += len(run)
            result.update(says)
            if varying is None:
                break
            header, length_bytes, tag, vr, key = varying
            if not content.startswith(header, at):
                return None
            value = at + len(header) + length_bytes
            length = int.from_bytes(content[value - length_bytes : value], "little")
            at = value + length
            if vr == "SQ" and length == UNDEFINED:
                read[tag], at = walk.undefined(
                    tag, vr, value, source.length, implicit=self._implicit
                )
            elif at > len(content):
                return None
            elif vr == "SQ":
                read[tag] = walk.sequence(tag, value, length, implicit=self._implicit)
            elif length > LARGE:
                read[tag] = walk.cut(Element(vr, value, length, None))
            else:
                read[tag] = Element(vr, value, length, content[value:at])
            if key is not None:
                # Its place in the order of tags.
                result[key] = {}
        # No more than these have been compared.
        walk.counted += (at - offset - walk.skipped) // 8
        rest, _ = walk.data_set(at, source.length, implicit=self._implicit, delimited=False)
        for tag, element in rest.elements.items():
            if tag < _PIXELS or (len(element.vr) > 2 and not self._implicit):
                return None
        rest.elements = {**self._context, **read, **rest.elements}
        structure = Structure(rest, False, walk.large, self.limits.charset)
        result.update(json_model.document(structure))
        return structure, result

    def with_another(self, fields: Sequence[_Field]) -> "_Kind | None":
        """The kind of all these and of one more with the same attributes; None when that differs in
        what may not vary."""
        differing = {
            number
            for number, (one, other) in enumerate(zip(self._fields, fields, strict=True))
            if one.raw != other.raw
        }
        for number in differing:
            varying = fields[number].varying
            if varying is None or varying != self._fields[number].varying:
                return None
        return _Kind(
            fields,
            self._varying | differing,
            context=self._context,
            implicit=self._implicit,
            limits=self.limits,
        )

    def level_of(self, document: Json, level: QueryLevel, attributes: Attributes) -> Level:
        """As `attributes.level_of`; what does not vary is worked out once, for the attributes that
        are asked for: an archive's are always the same."""
        known = self._levels.get(level)
        if known is not None and known[0] is attributes:
            shared = known[1]
        else:
            shared = self._shared(document, level, attributes)
            self._levels[level] = attributes, shared
        if isinstance(shared, Level):
            return shared
        return level_of(document, level, attributes, known=shared)

    def _shared(
        self, document: Json, level: QueryLevel, attributes: Attributes
    ) -> Level | dict[str, Terms]:
        """The level when nothing in it varies, else the terms of the elements that do not."""
        keys = attributes.levels[level]
        varies = self._varying_keys.intersection((TIMEZONE, *keys))
        if not varies and not attributes.private.get(level):
            return level_of(document, level, attributes)
        return {
            key: terms_of_element(key, document[key])
            for key in keys
            if key in document and key not in varies
        }
