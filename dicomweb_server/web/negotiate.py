"""What a client would take, and which of what there is it gets. Pure: strings in, values out.

RFC 9110 §12.5.1:

    Accept      = #( media-range [ weight ] )
    media-range = ( "*/*" / ( type "/" "*" ) / ( type "/" subtype ) ) parameters
    parameters  = *( OWS ";" OWS [ parameter-name "=" parameter-value ] )
    parameter-value = ( token / quoted-string )
    weight      = OWS ";" OWS "q=" qvalue

PS3.18 §8.7.1: "The quoted and unquoted values are equivalent", so `type=application/dicom` needs
no quotes although "/" is no token character.
PS3.18 §8.3.3.1: the query parameter `accept` holds media ranges too and is preferred to the header.
PS3.18 §8.7.3.5.2: `transfer-syntax` is one UID, or `*` for any; without it the default of the media
type is meant (Tables 8.7.3-2, -4, -5).

A resource offers `Representation`s in its own order of preference, at most a handful. Which ones is
the table of the resource (`offers.py`); this file knows none of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

ACCEPT_LIMIT = 8 * 1024
"""Characters of an Accept header or query parameter that are read."""

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_RANGE = re.compile(rf"[ \t]*({_TOKEN})/({_TOKEN})")
# The unquoted value takes "/" and ":" too: type=application/dicom, boundary=a:b.
_PARAMETER = re.compile(
    rf'[ \t]*;[ \t]*(?:({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*)))?'
)
_QVALUE = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


class BadMediaType(Exception):
    """`text` is not the media type or list of media ranges that `field` must hold."""

    def __init__(self, field: str, text: str, reason: str) -> None:
        super().__init__(f"{field} {text[:200]!r}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One media range: type, subtype and parameter names in lower case; values as written."""

    type: str
    subtype: str
    parameters: Mapping[str, str]
    weight: float = 1.0

    @property
    def essence(self) -> str:
        return f"{self.type}/{self.subtype}"


@dataclass(frozen=True, slots=True)
class Representation:
    """One way a resource can be sent.

    media_type       under which it is asked for: of the body or, when `multipart`, of its parts
    transfer_syntax  UID, or None where the media type has none (JSON, JPEG pictures)
    default          True when this is what the media type means without `transfer-syntax`
    sent_as          the media type written on it, where that is another one: OHIF and cornerstone
                     ask for frames of any kind as `application/octet-stream; transfer-syntax=*`
                     and read the kind from the part
    """

    media_type: str
    multipart: bool = False
    transfer_syntax: str | None = None
    default: bool = True
    sent_as: str | None = None

    @property
    def essence(self) -> str:
        """What is written as the media type."""
        return self.sent_as or self.media_type

    @property
    def syntax(self) -> str:
        """The transfer syntax of what has one."""
        assert self.transfer_syntax is not None
        return self.transfer_syntax

    @property
    def content_type(self) -> str:
        """Of the body, or of each part."""
        if self.transfer_syntax is None:
            return self.essence
        return f"{self.essence}; transfer-syntax={self.transfer_syntax}"


@lru_cache(maxsize=512)
def parse_media_type(text: str, *, field: str = "Content-Type") -> MediaRange:
    """One media type. Raises BadMediaType."""
    ranges = parse_accept(text, field=field)
    if len(ranges) != 1:
        raise BadMediaType(field, text, f"is one media type, not {len(ranges)}")
    return ranges[0]


def parse_accept(text: str, *, field: str = "Accept") -> tuple[MediaRange, ...]:
    """The media ranges in the order written, empty for an empty text. Raises BadMediaType."""
    if len(text) > ACCEPT_LIMIT:
        raise BadMediaType(field, text, f"has {len(text)} characters, the limit is {ACCEPT_LIMIT}")
    ranges: list[MediaRange] = []
    position = 0
    while position < len(text):
        # RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list
        # elements".
        if text[position] in " \t,":
            position += 1
            continue
        found = _RANGE.match(text, position)
        if not found:
            raise BadMediaType(field, text, f"no type/subtype at character {position + 1}")
        position = found.end()
        parameters: dict[str, str] = {}
        weight = 1.0
        while parameter := _PARAMETER.match(text, position):
            position = parameter.end()
            name, quoted, plain = parameter.groups()
            if name is None:
                continue
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            if name.lower() == "q":
                if not _QVALUE.fullmatch(value):
                    raise BadMediaType(field, text, f"q={value[:20]} is not between 0 and 1")
                weight = float(value)
            else:
                parameters[name.lower()] = value
        rest = text[position:].lstrip(" \t")
        if rest and not rest.startswith(","):
            raise BadMediaType(field, text, f"a comma is missing at character {position + 1}")
        ranges.append(MediaRange(found[1].lower(), found[2].lower(), parameters, weight))
    return tuple(ranges)


def wanted(
    accept_parameters: Sequence[str], accept_header: str | None
) -> tuple[tuple[MediaRange, ...], ...]:
    """The lists of a request, to be tried in turn. PS3.18 §8.7.8.1: what the query parameter
    `accept` says first; what the header says when nothing of that can be had. `*/*` when neither
    says anything. Raises BadMediaType."""
    asked = parse_accept(",".join(accept_parameters), field="query parameter accept")
    header = parse_accept(accept_header or "")
    return tuple(ranges for ranges in (asked, header) if ranges) or ((_ANYTHING,),)


_ANYTHING = MediaRange("*", "*", {})


def choose(
    ranges: Sequence[MediaRange], offered: Sequence[Representation]
) -> Representation | None:
    """The representation to send, None when nothing offered is acceptable (406).

    RFC 9110 §12.5.1: "the most specific reference has precedence", so a representation has the
    weight of the most specific range that takes it. The heaviest is sent; among equals what the
    client wrote first, then what the resource offers first.
    """
    best: tuple[float, int] | None = None
    chosen: Representation | None = None
    for representation in offered:
        taking = [n for n, one in enumerate(ranges) if takes(one, representation)]
        if not taking:
            continue
        deciding = max(taking, key=lambda n: _specificity(ranges[n]))
        rank = (ranges[deciding].weight, -deciding)
        if ranges[deciding].weight > 0 and (best is None or rank > best):
            best, chosen = rank, representation
    return chosen


def takes(media_range: MediaRange, representation: Representation) -> bool:
    """Whether a representation is within a range."""
    asked = media_range.essence
    if media_range.type == "multipart":
        if not representation.multipart or media_range.subtype not in ("related", "*"):
            return False
        # RFC 2387 §3.1 requires `type`; who leaves it out takes any parts.
        asked = media_range.parameters.get("type", "*/*").lower()
    elif representation.multipart and asked != "*/*":
        return False
    if asked not in ("*/*", representation.media_type) and not (
        asked.endswith("/*") and representation.media_type.startswith(asked[:-1])
    ):
        return False
    if representation.transfer_syntax is None:
        return True
    syntax = media_range.parameters.get("transfer-syntax")
    if syntax is None:
        return representation.default
    return syntax in ("*", representation.transfer_syntax)


def _specificity(media_range: MediaRange) -> int:
    if media_range.type == "*":
        return 0
    if media_range.subtype == "*":
        return 1
    return 2 + len(media_range.parameters)
