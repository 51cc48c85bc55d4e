"""What each resource can be had as, in the server's order of preference, and which a request gets.

PS3.18 Table 8.7.3-2 (application/dicom), -4 and -5 (bulk data), Table 10.4.4 and §10.6.4 (which
resource has which); §8.7.3: "the Implicit VR Little Endian, and Explicit VR Big Endian Transfer
Syntaxes shall not be used with Web Services".
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    OCTET_STREAM,
    RLE_LOSSLESS,
    TransferSyntax,
    transfer_syntax,
)
from dicomweb_server.web.http import Request
from dicomweb_server.web.negotiate import Representation, choose, wanted
from dicomweb_server.web.problems import Problem, not_acceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
ZIP = "application/zip"


@dataclass(frozen=True, eq=False)
class Offer:
    """The representations of a resource. Offers are compared by identity, which is cheap."""

    representations: tuple[Representation, ...]


# Data sets: what was found, metadata (§10.4.4, §10.6.4). Whoever asks for plain JSON gets it.
DATA_SETS = Offer(
    (
        Representation(DICOM_JSON),
        Representation("application/json"),
        Representation(DICOM_XML, multipart=True),
    )
)

# The one data set that answers a store (§10.5.4).
STORE_RESPONSES = Offer(
    (
        Representation(DICOM_JSON),
        Representation("application/json"),
        Representation(DICOM_XML),
    )
)

# Renderings (Table 8.7.4-1), by what there is to render; a frame of several is a part each.
_PICTURE_PARTS = tuple(
    Representation(each, multipart=True) for each in ("image/jpeg", "image/png", "image/gif")
)
PICTURES = Offer((*(replace(one, multipart=False) for one in _PICTURE_PARTS), *_PICTURE_PARTS))
SEVERAL_PICTURES = Offer(_PICTURE_PARTS)
REPORTS = Offer(tuple(Representation(each) for each in ("text/html", "text/plain", "text/xml")))


@lru_cache(maxsize=64)
def of(representations: tuple[Representation, ...]) -> Offer:
    """Those, as the same offer each time."""
    return Offer(representations)


def only(media_type: str) -> Offer:
    """What is there in one media type."""
    return of((Representation(media_type),))


def selected(request: Request, offer: Offer) -> Representation:
    """Raises Problem (406) with what could be had, and BadMediaType."""
    chosen = acceptable(request, offer)
    if chosen is None:
        raise not_acceptable(offer.representations)
    return chosen


def acceptable(request: Request, offer: Offer) -> Representation | None:
    """As `selected`, None when nothing is acceptable."""
    query = request.query
    if not query:
        return _chosen((), request.header(b"accept"), offer)
    for name, value in query:
        if name == "charset" and not _UTF_8.isdisjoint(value.lower().replace(" ", "").split(",")):
            continue
        if name == "charset":
            # §8.3.3.2: the parameter's values shall be supported ones; there is one.
            raise Problem(400, f"charset={value[:60]} is not to be had, UTF-8 is", field="charset")
    accept = tuple([value for name, value in query if name == "accept"])
    return _chosen(accept, request.header(b"accept"), offer)


_UTF_8 = frozenset({"utf-8", "utf8", "*", ""})


@lru_cache(maxsize=1024)
def _chosen(parameters: tuple[str, ...], accept: str | None, offer: Offer) -> Representation | None:
    """Remembered, since clients send the same header thousands of times."""
    lists = wanted(parameters, accept)
    found = (choose(ranges, offer.representations) for ranges in lists)
    return next((one for one in found if one is not None), None)


@lru_cache(maxsize=1024)
def instances(stored: str, made: tuple[str, ...], *, single: bool, kept: bool = False) -> Offer:
    """How instances received in transfer syntax `stored` can be sent.

    made    transfer syntaxes they can be encoded in
    single  True for one instance, which may also come without multipart around it
    kept    True when the frames are kept as HTJ2K, which who takes any transfer syntax then gets:
            PS3.18 §8.7.3.5.2 leaves the choice to the server
    """
    syntax = transfer_syntax(stored)
    syntaxes: list[tuple[str, bool]] = []
    if kept:
        syntaxes.append((HTJ2K_LOSSLESS_RPCL, False))
    if not (syntax.implicit or syntax.big_endian):
        # Table 8.7.3-2: Explicit VR Little Endian is the default, "unless the instance is only
        # available in a lossy compressed form", whose decoding would look lossless.
        syntaxes.append((stored, stored == EXPLICIT_VR_LITTLE_ENDIAN or not _restorable(syntax)))
    if syntax.decodable and stored != EXPLICIT_VR_LITTLE_ENDIAN:
        syntaxes.append((EXPLICIT_VR_LITTLE_ENDIAN, _restorable(syntax)))
    syntaxes += [(uid, False) for uid in _other(made, syntax) if (uid, False) not in syntaxes]
    multipart = [Representation(DICOM, True, uid, default) for uid, default in syntaxes]
    alone = [Representation(DICOM, False, uid, default) for uid, default in syntaxes]
    # A zip is taken away: with any transfer syntax it has the files as received, if they may leave.
    packed_syntaxes = syntaxes[1:] + syntaxes[:1] if kept else syntaxes
    packed = [Representation(ZIP, False, uid, default) for uid, default in packed_syntaxes]
    # §10.4.4: octets are the bulk data of the instances; which form it has is asked of each value.
    octets = [Representation(OCTET_STREAM, True)]
    return Offer((*multipart, *(alone if single else ()), *octets, *packed))


def _restorable(syntax: TransferSyntax) -> bool:
    return syntax.decodable and syntax.lossless


def _other(made: tuple[str, ...], stored: TransferSyntax) -> list[str]:
    """Of the syntaxes that can be made, those that add something. What was lossy already is not
    made lossy once more."""
    return [
        uid
        for uid in made
        if uid != stored.uid and (stored.lossless or uid != JPEG_BASELINE) and stored.decodable
    ]


DEFAULTS = frozenset(
    {HTJ2K_LOSSLESS, JPEG_2000_LOSSLESS, JPEG_LOSSLESS_SV1, JPEG_LS_LOSSLESS, RLE_LOSSLESS}
)
"""What image/jphc, image/jp2, image/jpeg, image/jls and image/dicom-rle mean without
`transfer-syntax` (Table 8.7.3-5)."""


@lru_cache(maxsize=1024)
def frames(stored: str, made: tuple[str, ...], *, single: bool) -> Offer:
    """How frames kept in transfer syntax `stored` can be sent: as they are kept, asked for as
    octets of any transfer syntax or by their own media type, decoded, and encoded anew.

    made    transfer syntaxes they can be encoded in
    single  True for one frame, which may also come without multipart around it
    """
    syntax = transfer_syntax(stored)
    native = Representation(OCTET_STREAM, True, EXPLICIT_VR_LITTLE_ENDIAN)
    offered: list[Representation] = []
    if syntax.encapsulated:
        offered.append(Representation(OCTET_STREAM, True, stored, False, syntax.media_type))
        if syntax.decodable:
            offered.append(native)
        if syntax.media_type != OCTET_STREAM:
            offered.append(Representation(syntax.media_type, True, stored))
    else:
        offered.append(native)
    for uid in _other(made, syntax):
        media_type = transfer_syntax(uid).media_type
        offered.append(Representation(media_type, True, uid, uid in DEFAULTS))
        offered.append(Representation(OCTET_STREAM, True, uid, False, media_type))
    if single:
        offered += [replace(one, multipart=False) for one in tuple(offered)]
    return Offer(tuple(offered))


@lru_cache(maxsize=256)
def values(media_type: str) -> Offer:
    """How a value of a data set can be sent (§10.4.4): as octets, and as what it holds.

    media_type  of that, e.g. application/pdf; OCTET_STREAM when nothing says
    """
    offered = list(BULK_VALUES.representations)
    if media_type != OCTET_STREAM:
        own = Representation(media_type, True)
        offered += [own, replace(own, multipart=False)]
    return Offer(tuple(offered))


@lru_cache(maxsize=256)
def multipart_of(offer: Offer) -> Offer:
    """Those of its representations that are parts of a multipart body."""
    return Offer(tuple(one for one in offer.representations if one.multipart))


def is_media_type(text: str) -> bool:
    """Whether a text from a data set can be written into a header as a media type."""
    return re.fullmatch(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", text) is not None


# Values of data sets (§10.4.4): octets, whatever they hold.
BULK_VALUES = Offer(
    (
        Representation(OCTET_STREAM, True, EXPLICIT_VR_LITTLE_ENDIAN),
        Representation(OCTET_STREAM, False, EXPLICIT_VR_LITTLE_ENDIAN),
    )
)
