"""What each resource can be had as, in the server's order of preference, and which a request gets.

PS3.18 Table 8.7.3-2 (application/dicom), -4 and -5 (bulk data), Table 10.4.4 and §10.6.4 (which
resource has which); §8.7.3: "the Implicit VR Little Endian, and Explicit VR Big Endian Transfer
Syntaxes shall not be used with Web Services".
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    OCTET_STREAM,
    TransferSyntax,
    transfer_syntax,
)
from dicomweb_server.web.http import Request
from dicomweb_server.web.negotiate import Representation, choose, wanted
from dicomweb_server.web.problems import not_acceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"


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

PICTURES = Offer(
    (
        Representation("image/jpeg"),
        Representation("image/png"),
    )
)


def selected(request: Request, offer: Offer) -> Representation:
    """Raises Problem (406) with what could be had, and BadMediaType."""
    accept = tuple([value for name, value in request.query if name == "accept"])
    chosen = _chosen(accept, request.header(b"accept"), offer)
    if chosen is None:
        raise not_acceptable(offer.representations)
    return chosen


@lru_cache(maxsize=1024)
def _chosen(parameters: tuple[str, ...], accept: str | None, offer: Offer) -> Representation | None:
    """Remembered, since clients send the same header thousands of times."""
    return choose(wanted(parameters, accept), offer.representations)


@lru_cache(maxsize=256)
def instances(stored: str, *, single: bool) -> Offer:
    """How instances received in transfer syntax `stored` can be sent.

    single  True for one instance, which may also come without multipart around it
    """
    syntax = transfer_syntax(stored)
    syntaxes: list[tuple[str, bool]] = []
    if not (syntax.implicit or syntax.big_endian):
        # Table 8.7.3-2: Explicit VR Little Endian is the default, "unless the instance is only
        # available in a lossy compressed form", whose decoding would look lossless.
        syntaxes.append((stored, stored == EXPLICIT_VR_LITTLE_ENDIAN or not _restorable(syntax)))
    if syntax.decodable and stored != EXPLICIT_VR_LITTLE_ENDIAN:
        syntaxes.append((EXPLICIT_VR_LITTLE_ENDIAN, _restorable(syntax)))
    multipart = [Representation(DICOM, True, uid, default) for uid, default in syntaxes]
    alone = [Representation(DICOM, False, uid, default) for uid, default in syntaxes]
    return Offer(tuple(multipart + alone) if single else tuple(multipart))


def _restorable(syntax: TransferSyntax) -> bool:
    return syntax.decodable and syntax.lossless


@lru_cache(maxsize=1024)
def frames(stored: str, *, single: bool) -> Offer:
    """How frames kept in transfer syntax `stored` can be sent: as they are kept, asked for as
    octets of any transfer syntax or by their own media type, and decoded.

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
    if single:
        offered += [replace(one, multipart=False) for one in tuple(offered)]
    return Offer(tuple(offered))


# Values of data sets (§10.4.4): octets, whatever they hold.
BULK_VALUES = Offer(
    (
        Representation(OCTET_STREAM, True, EXPLICIT_VR_LITTLE_ENDIAN),
        Representation(OCTET_STREAM, False, EXPLICIT_VR_LITTLE_ENDIAN),
    )
)
