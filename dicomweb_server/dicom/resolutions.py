"""How much of an HTJ2K codestream is a smaller picture: byte prefixes of transfer syntax .202.

PS3.5 §8.2.14 and §10.18: 1.2.840.10008.1.2.4.202 is in resolution order (RPCL) and has a TLM marker
segment, which lists the lengths of its tile-parts. Where each tile-part is one resolution, as the
archive writes them, a prefix that ends with a tile-part decodes to the picture at a half, a
quarter, an eighth ... of its sides, bit for bit what the whole codestream gives at that resolution.
ISO/IEC 15444-1 §A.6.1 (COD), §A.7.1 (TLM).
"""

from struct import unpack_from

HEAD_BYTES = 16 * 1024
"""So much of a codestream is read first. Its main header is some 200 bytes, and an eighth of a CT
slice of 512x512 some 5,000."""

_SOC = b"\xff\x4f"
_COD, _TLM, _SOT = 0xFF52, 0xFF55, 0xFF90
_RPCL = 2


def prefix_bytes(head: bytes, *, halvings: int) -> int | None:
    """The length in bytes of the prefix that decodes to 1 / 2**`halvings` of the picture's sides,
    or to the smallest resolution there is when that is larger.

    head  the first HEAD_BYTES of the codestream, or all of it

    None when its tile-parts are not one for each resolution: it has no such prefix.
    """
    if head[:2] != _SOC:
        return None
    decompositions: int | None = None
    lengths: list[int] = []
    at = 2
    while at + 4 <= len(head):
        marker, length = unpack_from(">HH", head, at)
        if marker == _SOT:
            break
        segment = head[at + 4 : at + 2 + length]
        if marker == _COD and len(segment) >= 6:
            if segment[1] != _RPCL:
                return None
            decompositions = segment[5]
        elif marker == _TLM and len(segment) >= 2:
            lengths += _tile_parts(segment)
        at += 2 + length
    else:
        return None
    if decompositions is None or len(lengths) != decompositions + 1:
        return None
    return at + sum(lengths[: max(1, len(lengths) - halvings)])


def _tile_parts(segment: bytes) -> list[int]:
    """The lengths a TLM marker segment lists, after its Ltlm."""
    sizes = segment[1]
    tile, long = sizes >> 4 & 3, bool(sizes & 0x40)
    step = tile + (4 if long else 2)
    return [
        int.from_bytes(segment[at + tile : at + step], "big")
        for at in range(2, len(segment) - step + 1, step)
    ]
