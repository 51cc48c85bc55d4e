"""ICC profiles of rendered pictures (PS3.18 §8.3.5.1.5).

Colours of an image without a profile of its own are taken for sRGB, as PS3.3 §C.11.15 lets one.
"""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from dicomweb_server.dicom.resizing import Picture

SRGB: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

_SEGMENT = 65519
"""Bytes of a profile that an APP2 segment has room for."""


def to_srgb(picture: Picture, profile: bytes) -> Picture:
    """The colours of a picture in that profile, in sRGB; unchanged when the profile is broken."""
    if picture.ndim == 2:
        return picture
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(Image.fromarray(picture), own, target)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture
    return picture if converted is None else np.asarray(converted)


def with_profile(encoded: bytes, profile: bytes) -> bytes:
    """A JPEG or PNG with the profile in it (ICC.1 §B.4, PNG §11.3.2.3)."""
    if encoded.startswith(b"\xff\xd8"):
        pieces = [profile[at : at + _SEGMENT] for at in range(0, len(profile), _SEGMENT)]
        segments = [
            struct.pack(">HH", 0xFFE2, 16 + len(piece))
            + b"ICC_PROFILE\0"
            + bytes((number, len(pieces)))
            + piece
            for number, piece in enumerate(pieces, 1)
        ]
        # A JFIF segment stays the first.
        at = 2
        if encoded[2:4] == b"\xff\xe0":
            at += 2 + int.from_bytes(encoded[4:6], "big")
        return encoded[:at] + b"".join(segments) + encoded[at:]
    chunk = b"iCCP" + b"ICC\0\0" + zlib.compress(profile)
    length, check = len(chunk) - 4, zlib.crc32(chunk)
    end_of_header = 8 + 8 + 13 + 4
    inserted = struct.pack(">I", length) + chunk + struct.pack(">I", check)
    return encoded[:end_of_header] + inserted + encoded[end_of_header:]
