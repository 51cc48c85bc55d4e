"""Frames (PS3.18 §10.4.1.1.6, Tables 8.7.3-4 and -5)."""

import imagecodecs
import numpy

from tests.conformance.material import (
    EXPLICIT,
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
    RLE,
    Material,
    Sample,
    new_uid,
)
from tests.conformance.reading import OCTETS, native
from tests.conformance.rules import FRAMES, Failed, Registrar
from tests.conformance.site import Part, Reply, Site

rule = Registrar(FRAMES)

ANY = OCTETS + "; transfer-syntax=*"


def frame(site: Site, sample: Sample, numbers: str = "1", accept: str = OCTETS) -> Reply:
    return site.get(f"{sample.path}/frames/{numbers}", accept=accept)


def is_native(reply: Reply, part: Part, wanted: bytes) -> None:
    """The part is the frame as Explicit VR Little Endian has it."""
    syntax = part.transfer_syntax or EXPLICIT
    reply.require(syntax == EXPLICIT, f"the frame in {EXPLICIT}, not {syntax}")
    content = part.content
    # PS3.5 §8.1.1: a value of odd length is padded; a frame may come with the pad.
    if len(content) == len(wanted) + 1:
        content = content[:-1]
    reply.require(len(content) == len(wanted), f"{len(wanted)} bytes, not {len(content)}")
    reply.require(content == wanted, "the samples that were stored")


def native_rule(name: str, what: str, section: str = "10.4.1.1.6") -> None:
    def check(site: Site, given: Material) -> None:
        sample = given.having(name)
        for number, wanted in enumerate(sample.frames, 1):
            reply = frame(site, sample, str(number)).expect(200)
            reply.require(len(reply.parts) == 1, "one part")
            is_native(reply, reply.parts[0], native(wanted))

    check.__name__ = "frames_of_" + name.replace("-", "_")
    rule(section, "shall", f"Frames of {what} come as uncompressed little endian octets.")(check)


for _name, _what in (
    ("ct1", "a signed 16 bit image"),
    ("multi", "an 8 bit multi-frame image"),
    ("rgb", "a colour image"),
    ("palette", "a palette colour image"),
    ("implicit", "an image stored in Implicit VR"),
    ("big-endian", "an image stored in Big Endian"),
    ("deflated", "an image stored deflated"),
    ("float", "Float Pixel Data"),
):
    native_rule(_name, _what)
for _name, _what in (
    ("rle", "an RLE image"),
    ("jpeg-ls", "a JPEG-LS image"),
    ("jpeg-2000", "a JPEG 2000 image"),
    ("htj2k", "an HTJ2K image"),
):
    native_rule(_name, _what, "8.7.3")


@rule("10.4.1.1.6", "shall", "Frames of 1 bit come packed, eight pixels a byte.")
def frames_of_one_bit(site: Site, given: Material) -> None:
    sample = given.having("segmentation")
    for number, wanted in enumerate(sample.frames, 1):
        reply = frame(site, sample, str(number)).expect(200)
        packed = numpy.packbits(wanted.ravel(), bitorder="little").tobytes()
        is_native(reply, reply.parts[0], packed)


@rule("10.4.1.1.6", "shall", "A list of frames comes as a part each.")
def a_list_of_frames_is_a_part_each(site: Site, given: Material) -> None:
    sample = given.having("multi")
    reply = frame(site, sample, "1,2,4").expect(200)
    found = sorted(part.content for part in reply.parts)
    wanted = sorted(native(sample.frames[n]) for n in (0, 1, 3))
    reply.require(found == wanted, "the three frames")


@rule("10.4.1.1.6", "should", "Frames come in the order of the list, which may be any.")
def frames_come_in_the_asked_order(site: Site, given: Material) -> None:
    sample = given.having("multi")
    reply = frame(site, sample, "4,1,3").expect(200)
    reply.require(len(reply.parts) == 3, "three parts")
    for part, index in zip(reply.parts, (3, 0, 2), strict=True):
        is_native(reply, part, native(sample.frames[index]))


@rule("10.4.1.1.6", "shall", "The comma of a list may be percent-encoded.")
def the_comma_may_be_encoded(site: Site, given: Material) -> None:
    sample = given.having("multi")
    reply = frame(site, sample, "2%2C3").expect(200)
    reply.require(len(reply.parts) == 2, "two parts")


@rule("10.4.3.2", "should", "Each part has a Content-Location that gets its frame.")
def frames_have_a_content_location(site: Site, given: Material) -> None:
    sample = given.having("multi")
    reply = frame(site, sample, "2,3").expect(200)
    for part in reply.parts:
        location = part.headers.get("content-location")
        reply.require(location is not None, "a Content-Location in each part")
        url = str(location)
        again = site.get(url if url.startswith("http") else site.origin + url, accept=OCTETS)
        again.expect(200).require(again.parts[0].content == part.content, "the frame of the part")


@rule("10.4.3.1", "shall", "A frame beyond the last is a 404 (or 400), not an error of the server.")
def a_frame_beyond_the_last(site: Site, given: Material) -> None:
    frame(site, given.having("multi"), "5").expect(404, 400)
    frame(site, given.having("ct1"), "2").expect(404, 400)


@rule("10.4.3.1", "should", "A frame beyond the last is a 404.")
def a_frame_beyond_the_last_is_404(site: Site, given: Material) -> None:
    frame(site, given.having("multi"), "5").expect(404)


@rule("10.4.1.1.6", "shall", "Frame numbers count from 1; 0, words and empty lists are refused.")
def frame_numbers_that_are_none(site: Site, given: Material) -> None:
    for text in ("0", "-1", "one", "1,,2", "1.5", ","):
        frame(site, given.having("multi"), text).expect(400, 404)


@rule("10.4.3.1", "shall", "Frames of an object without pixels are refused.")
def frames_of_an_object_without_pixels(site: Site, given: Material) -> None:
    frame(site, given.having("sr")).expect(400, 404, 406)


@rule("10.4.3.1", "shall", "Frames of an instance that is not there are a 404.")
def frames_of_nothing(site: Site, given: Material) -> None:
    path = f"{given.having('ct1').series}/instances/{new_uid()}/frames/1"
    site.get(path, accept=OCTETS).expect(404)


@rule("8.7.8.1", "shall", "Frames asked for with Accept */* come.")
def frames_with_a_wildcard(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = frame(site, sample, accept="*/*").expect(200)
    part = reply.payloads[0]
    reply.require((part.transfer_syntax or EXPLICIT) == EXPLICIT, "the native frame")
    is_native(reply, part, native(sample.frames[0]))


@rule("10.4.4", "may", "One frame can be had as application/octet-stream without multipart.")
def one_frame_without_multipart(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = frame(site, sample, accept="application/octet-stream").optional(400, 406).expect(200)
    reply.require(reply.essence == "application/octet-stream", "application/octet-stream")
    reply.require(reply.body == native(sample.frames[0]), "the samples that were stored")


DECODERS = {
    RLE: None,
    JPEG_LS: imagecodecs.jpegls_decode,
    JPEG_2000_LOSSLESS: imagecodecs.jpeg2k_decode,
    HTJ2K_LOSSLESS: imagecodecs.htj2k_decode,
    "1.2.840.10008.1.2.4.202": imagecodecs.htj2k_decode,
    "1.2.840.10008.1.2.4.203": imagecodecs.htj2k_decode,
    JPEG_BASELINE: imagecodecs.jpeg8_decode,
}


def decoded_is(
    reply: Reply, part: Part, sample: Sample, index: int = 0, tolerance: int = 0
) -> None:
    """The part decodes, by the transfer syntax it says, to the frame."""
    wanted = sample.frames[index]
    syntax = part.transfer_syntax or EXPLICIT
    if syntax == EXPLICIT:
        is_native(reply, part, native(wanted))
        return
    reply.require(syntax in DECODERS, f"a transfer syntax that is known, not {syntax}")
    decoder = DECODERS[syntax]
    if decoder is None:
        reply.require(part.content.startswith(b"\2\0\0\0"), "two RLE segments (PS3.5 §G.5)")
        return
    try:
        found = numpy.asarray(decoder(part.content))
    except Exception as error:
        raise reply.failed(f"a codestream of {syntax} ({error!r})") from None
    reply.require(found.shape == wanted.shape, f"a frame of shape {wanted.shape}")
    apart = int(numpy.abs(found.astype("i8") - wanted.astype("i8")).max())
    reply.require(apart <= tolerance, f"samples at most {tolerance} off, not {apart}")


@rule("8.7.3.5.2", "shall", "With transfer-syntax=* each part says what it is, and is it.")
def frames_in_any_transfer_syntax(site: Site, given: Material) -> None:
    for name in ("ct1", "rle", "jpeg-ls", "jpeg-2000", "htj2k"):
        sample = given.having(name)
        reply = frame(site, sample, accept=ANY).expect(200)
        decoded_is(reply, reply.parts[0], sample)


@rule("8.7.3.5.2", "should", "With transfer-syntax=* a compressed frame comes as it was stored.")
def compressed_frames_come_as_stored(site: Site, given: Material) -> None:
    for name in ("rle", "jpeg-ls", "jpeg-2000", "htj2k", "jpeg"):
        sample = given.having(name)
        reply = frame(site, sample, accept=ANY).expect(200)
        syntax = reply.parts[0].transfer_syntax
        reply.require(
            syntax == sample.transfer_syntax, f"{name} in {sample.transfer_syntax}, not {syntax}"
        )


def typed(name: str, media_type: str, syntax: str) -> None:
    def check(site: Site, given: Material) -> None:
        sample = given.having(name)
        accept = f'multipart/related; type="{media_type}"'
        reply = frame(site, sample, accept=accept).optional(400, 406).expect(200)
        part = reply.parts[0]
        reply.require(part.media_type.essence == media_type, f"a part of {media_type}")
        # Without the parameter the default of the media type is meant (Table 8.7.3-4).
        said = part.transfer_syntax or syntax
        if said != syntax:
            raise Failed(f"{reply.asked}: expected the default {syntax}, seen {said}")
        as_it_is = Part({"content-type": f"{media_type}; transfer-syntax={said}"}, part.content)
        decoded_is(reply, as_it_is, sample, tolerance=4 if name == "jpeg" else 0)

    check.__name__ = f"frames_as_{media_type.replace('/', '_').replace('-', '_')}"
    rule(
        "8.7.3.3.2",
        "may",
        f"Frames can be had as {media_type}, without transfer-syntax in its default one.",
    )(check)


typed("jpeg-ls", "image/jls", JPEG_LS)
typed("jpeg-2000", "image/jp2", JPEG_2000_LOSSLESS)
typed("htj2k", "image/jphc", HTJ2K_LOSSLESS)
typed("rle", "image/dicom-rle", RLE)


@rule(
    "8.7.3.3.2", "may", "Baseline JPEG frames can be had as image/jpeg with their transfer syntax."
)
def frames_as_image_jpeg(site: Site, given: Material) -> None:
    sample = given.having("jpeg")
    accept = f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG_BASELINE}'
    for number in (1, 2):
        reply = frame(site, sample, str(number), accept).optional(400, 406).expect(200)
        part = reply.parts[0]
        reply.require(part.media_type.essence == "image/jpeg", "a part of image/jpeg")
        decoded_is(reply, part, sample, number - 1, tolerance=4)


@rule("8.7.3.3.2", "may", "Native frames can be had as image/jphc, encoded on the way.")
def native_frames_as_htj2k(site: Site, given: Material) -> None:
    sample = given.having("monochrome2")
    accept = f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K_LOSSLESS}'
    reply = frame(site, sample, accept=accept).optional(400, 406).expect(200)
    decoded_is(reply, reply.parts[0], sample)


@rule(
    "8.7.3.3.2", "may", "Native frames can be had as image/jls, encoded on the way (as OHIF asks)."
)
def native_frames_as_jpeg_ls(site: Site, given: Material) -> None:
    sample = given.having("monochrome2")
    accept = f"multipart/related; type=image/jls; transfer-syntax={JPEG_LS}"
    reply = frame(site, sample, accept=accept).optional(400, 406).expect(200)
    decoded_is(reply, reply.parts[0], sample)
