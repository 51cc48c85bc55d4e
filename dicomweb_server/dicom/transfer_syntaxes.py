"""The transfer syntaxes of DICOM, one row each: how a data set and its pixels are encoded.

PS3.5 §10 and §A, PS3.6 Table A-1; media types of PS3.18 Tables 8.7.3-2 to 8.7.3-5. What decodes a
codestream is decode.py; which syntax is chosen for an answer is decided at the edge.
"""

from dataclasses import dataclass
from typing import Final

OCTET_STREAM: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """What one transfer syntax UID says.

    keyword       of PS3.6; "" for a UID that is not in the table
    implicit      the data set is written without VRs
    big_endian    the data set is written most significant byte first
    big_endian_pixels  native samples are, whatever the data set
    deflated      the whole data set after the File Meta Information is deflated
    encapsulated  Pixel Data is a sequence of fragments (PS3.5 §A.4)
    lossless      decoded samples always equal those that were encoded. JPEG 2000 (.91), HTJ2K
                  (.203) and JPEG XL (.112) may be either, which is not lossless
    video         a frame cannot be taken out: the pixel data is one stream
    media_type    of one frame, or of the whole stream for video, taken out of the data set
    decodable     `decode.native_frame` makes native samples of it
    """

    uid: str
    keyword: str
    name: str
    implicit: bool = False
    big_endian: bool = False
    big_endian_pixels: bool = False
    deflated: bool = False
    encapsulated: bool = False
    lossless: bool = True
    video: bool = False
    media_type: str = OCTET_STREAM
    decodable: bool = True

    @property
    def known(self) -> bool:
        """False for a private or unknown UID, whose row is a guess."""
        return self.keyword != ""


IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
JPEG_BASELINE: Final = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS_SV1: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000_LOSSLESS: Final = "1.2.840.10008.1.2.4.90"
HTJ2K_LOSSLESS: Final = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL: Final = "1.2.840.10008.1.2.4.202"
HTJ2K: Final = "1.2.840.10008.1.2.4.203"
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"


def _image(
    uid: str, keyword: str, name: str, media_type: str, *, lossless: bool, decodable: bool = True
) -> TransferSyntax:
    return TransferSyntax(
        uid,
        keyword,
        name,
        encapsulated=True,
        lossless=lossless,
        media_type=media_type,
        decodable=decodable,
    )


def _video(uid: str, keyword: str, name: str, media_type: str) -> TransferSyntax:
    return TransferSyntax(
        uid,
        keyword,
        name,
        encapsulated=True,
        lossless=False,
        video=True,
        media_type=media_type,
        decodable=False,
    )


def _elsewhere(uid: str, keyword: str, name: str, *, deflated: bool = False) -> TransferSyntax:
    """Pixels are not in the data set (JPIP, real-time video), or it is no Part 10 data set."""
    return TransferSyntax(uid, keyword, name, deflated=deflated, decodable=False)


_ROOT = "1.2.840.10008.1.2"
_JPEG = f"{_ROOT}.4"

# The retired hierarchical JPEG processes (.59 to .66) have no decoder anywhere; the arithmetic
# ones (.52, .54, .56, .58) neither. The retired DCT processes .53 and .55 are ordinary progressive
# JPEG, which libjpeg reads.
_ROWS: tuple[TransferSyntax, ...] = (
    TransferSyntax(_ROOT, "ImplicitVRLittleEndian", "Implicit VR Little Endian", implicit=True),
    TransferSyntax(f"{_ROOT}.1", "ExplicitVRLittleEndian", "Explicit VR Little Endian"),
    _image(
        f"{_ROOT}.1.98",
        "EncapsulatedUncompressedExplicitVRLittleEndian",
        "Encapsulated Uncompressed Explicit VR Little Endian",
        OCTET_STREAM,
        lossless=True,
    ),
    TransferSyntax(
        f"{_ROOT}.1.99",
        "DeflatedExplicitVRLittleEndian",
        "Deflated Explicit VR Little Endian",
        deflated=True,
    ),
    TransferSyntax(
        f"{_ROOT}.2",
        "ExplicitVRBigEndian",
        "Explicit VR Big Endian",
        big_endian=True,
        big_endian_pixels=True,
    ),
    _image(
        f"{_JPEG}.50",
        "JPEGBaseline8Bit",
        "JPEG Baseline (Process 1)",
        "image/jpeg",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.51",
        "JPEGExtended12Bit",
        "JPEG Extended (Process 2 and 4)",
        "image/jpeg",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.52",
        "JPEGExtended35",
        "JPEG Extended (Process 3 and 5)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.53",
        "JPEGSpectralSelectionNonHierarchical68",
        "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)",
        "image/jpeg",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.54",
        "JPEGSpectralSelectionNonHierarchical79",
        "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.55",
        "JPEGFullProgressionNonHierarchical1012",
        "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)",
        "image/jpeg",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.56",
        "JPEGFullProgressionNonHierarchical1113",
        "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.57",
        "JPEGLossless",
        "JPEG Lossless, Non-Hierarchical (Process 14)",
        "image/jpeg",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.58",
        "JPEGLosslessNonHierarchical15",
        "JPEG Lossless, Non-Hierarchical (Process 15)",
        "image/jpeg",
        lossless=True,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.59",
        "JPEGExtendedHierarchical1618",
        "JPEG Extended, Hierarchical (Process 16 and 18)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.60",
        "JPEGExtendedHierarchical1719",
        "JPEG Extended, Hierarchical (Process 17 and 19)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.61",
        "JPEGSpectralSelectionHierarchical2022",
        "JPEG Spectral Selection, Hierarchical (Process 20 and 22)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.62",
        "JPEGSpectralSelectionHierarchical2123",
        "JPEG Spectral Selection, Hierarchical (Process 21 and 23)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.63",
        "JPEGFullProgressionHierarchical2426",
        "JPEG Full Progression, Hierarchical (Process 24 and 26)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.64",
        "JPEGFullProgressionHierarchical2527",
        "JPEG Full Progression, Hierarchical (Process 25 and 27)",
        "image/jpeg",
        lossless=False,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.65",
        "JPEGLosslessHierarchical28",
        "JPEG Lossless, Hierarchical (Process 28)",
        "image/jpeg",
        lossless=True,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.66",
        "JPEGLosslessHierarchical29",
        "JPEG Lossless, Hierarchical (Process 29)",
        "image/jpeg",
        lossless=True,
        decodable=False,
    ),
    _image(
        f"{_JPEG}.70",
        "JPEGLosslessSV1",
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])",
        "image/jpeg",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.80",
        "JPEGLSLossless",
        "JPEG-LS Lossless Image Compression",
        "image/jls",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.81",
        "JPEGLSNearLossless",
        "JPEG-LS Lossy (Near-Lossless) Image Compression",
        "image/jls",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.90",
        "JPEG2000Lossless",
        "JPEG 2000 Image Compression (Lossless Only)",
        "image/jp2",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.91",
        "JPEG2000",
        "JPEG 2000 Image Compression",
        "image/jp2",
        lossless=False,
    ),
    _image(
        f"{_JPEG}.92",
        "JPEG2000MCLossless",
        "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)",
        "image/jpx",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.93",
        "JPEG2000MC",
        "JPEG 2000 Part 2 Multi-component Image Compression",
        "image/jpx",
        lossless=False,
    ),
    _elsewhere(f"{_JPEG}.94", "JPIPReferenced", "JPIP Referenced"),
    _elsewhere(f"{_JPEG}.95", "JPIPReferencedDeflate", "JPIP Referenced Deflate", deflated=True),
    _video(f"{_JPEG}.100", "MPEG2MPML", "MPEG2 Main Profile / Main Level", "video/mpeg2"),
    _video(
        f"{_JPEG}.100.1",
        "MPEG2MPMLF",
        "Fragmentable MPEG2 Main Profile / Main Level",
        "video/mpeg2",
    ),
    _video(f"{_JPEG}.101", "MPEG2MPHL", "MPEG2 Main Profile / High Level", "video/mpeg2"),
    _video(
        f"{_JPEG}.101.1",
        "MPEG2MPHLF",
        "Fragmentable MPEG2 Main Profile / High Level",
        "video/mpeg2",
    ),
    _video(
        f"{_JPEG}.102",
        "MPEG4HP41",
        "MPEG-4 AVC/H.264 High Profile / Level 4.1",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.102.1",
        "MPEG4HP41F",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.103",
        "MPEG4HP41BD",
        "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.103.1",
        "MPEG4HP41BDF",
        "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.104",
        "MPEG4HP422D",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.104.1",
        "MPEG4HP422DF",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.105",
        "MPEG4HP423D",
        "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.105.1",
        "MPEG4HP423DF",
        "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.106",
        "MPEG4HP42STEREO",
        "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        "video/mp4",
    ),
    _video(
        f"{_JPEG}.106.1",
        "MPEG4HP42STEREOF",
        "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
        "video/mp4",
    ),
    _video(f"{_JPEG}.107", "HEVCMP51", "HEVC/H.265 Main Profile / Level 5.1", "video/H265"),
    _video(f"{_JPEG}.108", "HEVCM10P51", "HEVC/H.265 Main 10 Profile / Level 5.1", "video/H265"),
    _image(f"{_JPEG}.110", "JPEGXLLossless", "JPEG XL Lossless", "image/jxl", lossless=True),
    _image(
        f"{_JPEG}.111",
        "JPEGXLJPEGRecompression",
        "JPEG XL JPEG Recompression",
        "image/jxl",
        lossless=False,
    ),
    _image(f"{_JPEG}.112", "JPEGXL", "JPEG XL", "image/jxl", lossless=False),
    _image(
        f"{_JPEG}.201",
        "HTJ2KLossless",
        "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
        "image/jphc",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.202",
        "HTJ2KLosslessRPCL",
        "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)",
        "image/jphc",
        lossless=True,
    ),
    _image(
        f"{_JPEG}.203",
        "HTJ2K",
        "High-Throughput JPEG 2000 Image Compression",
        "image/jphc",
        lossless=False,
    ),
    _elsewhere(f"{_JPEG}.204", "JPIPHTJ2KReferenced", "JPIP HTJ2K Referenced"),
    _elsewhere(
        f"{_JPEG}.205",
        "JPIPHTJ2KReferencedDeflate",
        "JPIP HTJ2K Referenced Deflate",
        deflated=True,
    ),
    _image(f"{_ROOT}.5", "RLELossless", "RLE Lossless", "image/dicom-rle", lossless=True),
    _elsewhere(f"{_ROOT}.6.1", "RFC2557MIMEEncapsulation", "RFC 2557 MIME encapsulation"),
    _elsewhere(f"{_ROOT}.6.2", "XMLEncoding", "XML Encoding"),
    _elsewhere(
        f"{_ROOT}.7.1",
        "SMPTEST211020UncompressedProgressiveActiveVideo",
        "SMPTE ST 2110-20 Uncompressed Progressive Active Video",
    ),
    _elsewhere(
        f"{_ROOT}.7.2",
        "SMPTEST211020UncompressedInterlacedActiveVideo",
        "SMPTE ST 2110-20 Uncompressed Interlaced Active Video",
    ),
    _elsewhere(
        f"{_ROOT}.7.3",
        "SMPTEST211030PCMDigitalAudio",
        "SMPTE ST 2110-30 PCM Digital Audio",
    ),
    _image(
        f"{_ROOT}.8.1",
        "DeflatedImageFrameCompression",
        "Deflated Image Frame Compression",
        "application/x-deflate",
        lossless=True,
    ),
    TransferSyntax(
        "1.2.840.10008.1.20",
        "Papyrus3ImplicitVRLittleEndian",
        "Papyrus 3 Implicit VR Little Endian",
        implicit=True,
    ),
    # Private, but written by GE for years: the data set is Implicit VR Little Endian and only the
    # pixels are big endian, in an order that files do not agree on.
    TransferSyntax(
        "1.2.840.113619.5.2",
        "GEPrivateImplicitVRBigEndianPixels",
        "GE Private Implicit VR Little Endian with Big Endian pixels",
        implicit=True,
        big_endian_pixels=True,
        decodable=False,
    ),
)

TRANSFER_SYNTAXES: Final[dict[str, TransferSyntax]] = {row.uid: row for row in _ROWS}
"""Every transfer syntax of PS3.6 Table A-1 (retired ones too), by UID."""


def transfer_syntax(uid: str) -> TransferSyntax:
    """The row of `uid`, trailing padding ignored.

    A private or unknown UID is read as what PS3.5 §10 requires of every compressed transfer
    syntax: an Explicit VR Little Endian data set, pixels encapsulated, which nothing decodes.
    """
    uid = uid.rstrip("\0 ")
    return TRANSFER_SYNTAXES.get(uid) or TransferSyntax(
        uid,
        "",
        f"unknown transfer syntax {uid}",
        encapsulated=True,
        lossless=False,
        decodable=False,
    )
