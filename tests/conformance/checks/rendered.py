"""Rendered resources and thumbnails (PS3.18 §10.4.1.1.3, §10.4.1.1.4, §8.3.5, §8.7.4)."""

import io
from collections.abc import Callable

import numpy
from PIL import Image

from tests.conformance.material import VIDEO, Material, Sample, new_uid
from tests.conformance.reading import grey, picture_of
from tests.conformance.rules import RENDERED, THUMBNAILS, Registrar, Unsupported
from tests.conformance.site import Reply, Site

rule = Registrar(RENDERED)


def drawn(site: Site, sample: Sample, media_type: str = "image/png", **query: str) -> Reply:
    """The rendered instance; Unsupported when nothing is rendered at all."""
    reply = site.get(sample.path + "/rendered", accept=media_type, query=query)
    return reply.optional()


def png(site: Site, sample: Sample, **query: str) -> Reply:
    return drawn(site, sample, "image/png", **query).expect(200)


@rule("8.7.4", "shall", "A single frame image is rendered as image/jpeg, the default.")
def rendered_as_jpeg(site: Site, given: Material) -> None:
    for accept in ("image/jpeg", "*/*"):
        reply = drawn(site, given.having("ct1"), accept).expect(200)
        reply.require(reply.essence == "image/jpeg", "image/jpeg")
        reply.require(reply.body.startswith(b"\xff\xd8\xff"), "a JPEG picture")


@rule("8.7.4", "shall", "image/jpeg is baseline JPEG of 8 bits.")
def rendered_jpeg_is_baseline(site: Site, given: Material) -> None:
    reply = drawn(site, given.having("ct1"), "image/jpeg").expect(200)
    at = 2
    while at + 4 <= len(reply.body) and reply.body[at] == 0xFF:
        marker = reply.body[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            reply.require(marker == 0xC0, f"the marker SOF0, not FF{marker:02X}")
            return
        at += 2 + int.from_bytes(reply.body[at + 2 : at + 4], "big")
    raise reply.failed("a start of frame")


@rule("8.7.4", "shall", "A single frame image is rendered as image/png.")
def rendered_as_png(site: Site, given: Material) -> None:
    reply = png(site, given.having("ct1"))
    reply.require(reply.essence == "image/png", "image/png")
    reply.require(reply.body.startswith(b"\x89PNG"), "a PNG picture")


@rule("8.7.4", "shall", "A single frame image is rendered as image/gif.")
def rendered_as_gif(site: Site, given: Material) -> None:
    reply = drawn(site, given.having("ct1"), "image/gif").expect(200)
    reply.require(reply.body.startswith(b"GIF8"), "a GIF picture")


@rule("8.7.4", "may", "A multi-frame image is rendered as an animated image/gif.")
def multi_frame_as_gif(site: Site, given: Material) -> None:
    sample = given.having("multi")
    reply = drawn(site, sample, "image/gif").optional(400, 406).expect(200)
    with Image.open(io.BytesIO(reply.body)) as image:
        count = getattr(image, "n_frames", 1)
    reply.require(count == len(sample.frames), f"{len(sample.frames)} frames, not {count}")


@rule("8.7.8.1", "shall", "A rendered media type that cannot be had is a 406.")
def rendered_that_cannot_be_had(site: Site, given: Material) -> None:
    png(site, given.having("ct1"))
    drawn(site, given.having("ct1"), "audio/basic").expect(406)


@rule(
    "8.7.8.1", "shall", "Rendered media types are weighed by q; the accept parameter comes first."
)
def rendered_types_are_weighed(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    for accept, query, expected in (
        ("image/jpeg;q=0.2, image/png;q=0.7", {}, "image/png"),
        ("image/*;q=0.1, image/jpeg", {}, "image/jpeg"),
        ("image/jpeg", {"accept": "image/png"}, "image/png"),
    ):
        reply = drawn(site, sample, accept, **query).expect(200)
        reply.require(reply.essence == expected, expected)


@rule("10.4.1.1.3", "should", "A rendered image has the rows and columns of the stored.")
def rendered_keeps_its_size(site: Site, given: Material) -> None:
    for name in ("ct1", "rgb", "palette", "monochrome1", "jpeg-2000"):
        sample = given.having(name)
        shape = picture_of(png(site, sample)).shape[:2]
        wanted = sample.frames[0].shape[:2]
        if shape != wanted:
            raise Unsupported(f"{name} is {wanted}, rendered {shape}")


def near(reply: Reply, found: numpy.ndarray, wanted: numpy.ndarray, tolerance: float) -> None:
    reply.require(found.shape == wanted.shape, f"a picture of shape {wanted.shape}")
    apart = float(numpy.abs(found.astype(float) - wanted.astype(float)).max())
    reply.require(apart <= tolerance, f"pixels at most {tolerance} off, not {apart:.0f}")


@rule("PS3.4 N.2", "shall", "Colours of an RGB image are kept.")
def rendered_colours(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    reply = png(site, sample)
    near(reply, picture_of(reply), sample.frames[0], 3)


@rule("PS3.3 C.7.9", "shall", "A palette colour image is rendered through its palette.")
def rendered_palette(site: Site, given: Material) -> None:
    sample = given.having("palette")
    reply = png(site, sample)
    index = sample.frames[0].astype(int)
    wanted = numpy.stack([(index + shift) % 256 for shift in (0, 85, 170)], axis=-1)
    near(reply, picture_of(reply), wanted, 3)


@rule("PS3.3 C.7.6.3.1.2", "shall", "MONOCHROME1 is rendered with its lowest value white.")
def rendered_monochrome1(site: Site, given: Material) -> None:
    shown = {}
    for name in ("monochrome1", "monochrome2"):
        shown[name] = grey(picture_of(png(site, given.having(name))))
    total = shown["monochrome1"] + shown["monochrome2"]
    reply = png(site, given.having("monochrome1"))
    near(reply, total, numpy.full(total.shape, 255.0), 4)


@rule("PS3.3 C.11.2.1.2.1", "shall", "Without the parameter the image's own window is applied.")
def rendered_with_its_own_window(site: Site, given: Material) -> None:
    sample = given.having("monochrome2")
    reply = png(site, sample)
    wanted = linear(sample.frames[0].astype(float), 2048, 4096)
    near(reply, grey(picture_of(reply)), wanted, 2)


def linear(values: numpy.ndarray, center: float, width: float) -> numpy.ndarray:
    """PS3.3 §C.11.2.1.2.1."""
    shown = ((values - (center - 0.5)) / (width - 1) + 0.5) * 255
    return numpy.asarray(numpy.clip(shown, 0, 255))


def linear_exact(values: numpy.ndarray, center: float, width: float) -> numpy.ndarray:
    """PS3.3 §C.11.2.1.3.2."""
    return numpy.asarray(numpy.clip(((values - center) / width + 0.5) * 255, 0, 255))


def sigmoid(values: numpy.ndarray, center: float, width: float) -> numpy.ndarray:
    """PS3.3 §C.11.2.1.3.1."""
    return numpy.asarray(255 / (1 + numpy.exp(-4 * (values - center) / width)))


def window_rule(
    shape: str, function: Callable[[numpy.ndarray, float, float], numpy.ndarray]
) -> None:
    def check(site: Site, given: Material) -> None:
        sample = given.having("monochrome2")
        # Narrow, so that the linear functions are more than a rounding apart.
        reply = drawn(site, sample, window=f"1000,40,{shape}").optional(400, 406).expect(200)
        found = grey(picture_of(reply))
        if numpy.abs(found - grey(picture_of(png(site, sample)))).max() < 8:
            raise Unsupported(f"{reply.asked}: the window changes nothing")
        values = sample.frames[0].astype(float)
        if numpy.abs(found - linear(values, 1000, 40)).max() <= 2 and shape != "linear":
            raise Unsupported(f"{reply.asked}: the function is ignored")
        near(reply, found, function(values, 1000, 40), 2)

    check.__name__ = f"window_{shape.replace('-', '_')}"
    rule("8.3.5.1.4", "may", f"window=center,width,{shape} is applied by its formula.")(check)


window_rule("linear", linear)
window_rule("linear-exact", linear_exact)
window_rule("sigmoid", sigmoid)


@rule("8.3.5.1.4", "shall", "window has three values, its width is 1 or more; else it is a 400.")
def windows_that_are_none(site: Site, given: Material) -> None:
    window = drawn(site, given.having("monochrome2"), window="1000,400,linear")
    window.optional(400, 406).expect(200)
    for text in ("a,b,linear", "1000,400,cubic", "1000"):
        drawn(site, given.having("monochrome2"), window=text).expect(400)


@rule("8.3.5.1.3", "may", "viewport=w,h scales the picture to fit, its proportions kept.")
def viewport_of_two(site: Site, given: Material) -> None:
    sample = given.having("ct1")
    reply = drawn(site, sample, viewport="32,32").optional(400, 406).expect(200)
    shape = picture_of(reply).shape[:2]
    if shape == (48, 64):
        raise Unsupported(f"{reply.asked}: the viewport changes nothing")
    reply.require(shape == (24, 32), f"24 rows of 32 columns, not {shape}")


@rule("8.3.5.1.3", "may", "viewport=w,h,sx,sy,sw,sh shows that region of the image.")
def viewport_of_six(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    query = "24,20,24,0,24,20"
    reply = drawn(site, sample, viewport=query).optional(400, 406).expect(200)
    found = picture_of(reply)
    if found.shape[:2] == (40, 48):
        raise Unsupported(f"{reply.asked}: the viewport changes nothing")
    near(reply, found, sample.frames[0][:20, 24:], 4)


@rule("8.3.5.1.3", "shall", "A viewport that is none is a 400.")
def viewports_that_are_none(site: Site, given: Material) -> None:
    small = drawn(site, given.having("ct1"), viewport="32,32").optional(400, 406).expect(200)
    if picture_of(small).shape[:2] == (48, 64):
        raise Unsupported(f"{small.asked}: the viewport changes nothing")
    for text in ("0,0", "a,b", "10", "-5,5"):
        drawn(site, given.having("ct1"), viewport=text).expect(400)


@rule("8.3.5.1.2", "may", "A lower quality makes a smaller JPEG.")
def quality_makes_a_difference(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    high, low = (
        drawn(site, sample, "image/jpeg", quality=text).optional(400, 406).expect(200)
        for text in ("95", "5")
    )
    if len(low.body) >= len(high.body):
        raise Unsupported(f"{low.asked}: no smaller than at quality 95")


@rule("8.3.5.1.2", "shall", "A quality outside 1 to 100 is a 400.")
def qualities_that_are_none(site: Site, given: Material) -> None:
    quality_makes_a_difference(site, given)
    for text in ("0", "101", "good"):
        drawn(site, given.having("rgb"), "image/jpeg", quality=text).expect(400)


@rule("8.3.5.1.1", "may", "annotation=patient burns the patient in.")
def annotation_is_burned_in(site: Site, given: Material) -> None:
    sample = given.having("monochrome2")
    plain = png(site, sample)
    reply = drawn(site, sample, annotation="patient").optional(400, 406).expect(200)
    if numpy.array_equal(picture_of(reply), picture_of(plain)):
        raise Unsupported(f"{reply.asked}: the annotation changes nothing")


@rule("8.3.5.1.5", "may", "iccprofile=srgb puts a profile into the picture.")
def icc_profile_is_in_the_picture(site: Site, given: Material) -> None:
    sample = given.having("rgb")
    for text in ("yes", "srgb"):
        reply = drawn(site, sample, "image/jpeg", iccprofile=text).optional(400, 406).expect(200)
        if b"ICC_PROFILE" not in reply.body:
            raise Unsupported(f"{reply.asked}: no profile in the picture")
    without = drawn(site, sample, "image/jpeg", iccprofile="no").expect(200)
    without.require(b"ICC_PROFILE" not in without.body, "no profile with iccprofile=no")


@rule("PS3.4 N.2.1", "shall", "The window is applied to rescaled values.")
def rendered_with_rescale(site: Site, given: Material) -> None:
    sample = given.having("rescaled")
    reply = png(site, sample)
    values = sample.frames[0].astype(float) * 2 - 1000
    near(reply, grey(picture_of(reply)), linear(values, 3000, 6000), 2)


@rule("PS3.3 C.11.2.1.1", "shall", "A VOI LUT of the image is applied.")
def rendered_with_voi_lut(site: Site, given: Material) -> None:
    sample = given.having("voi-lut")
    reply = png(site, sample)
    values = sample.frames[0].astype(float)
    wanted = numpy.where(values < 2048, 65535, 30000 * (4095 - values) / 2047) / 65535 * 255
    near(reply, grey(picture_of(reply)), wanted, 2)


@rule("PS3.3 C.7.6.3.1.2", "shall", "YBR_FULL is rendered as the colours it means.")
def rendered_ybr(site: Site, given: Material) -> None:
    reply = png(site, given.having("ybr"))
    near(reply, picture_of(reply), given["rgb"].frames[0], 4)


@rule("PS3.3 C.7.6.3.1.3", "shall", "An image of colour planes is rendered like one of pixels.")
def rendered_planar(site: Site, given: Material) -> None:
    sample = given.having("planar")
    reply = png(site, sample)
    near(reply, picture_of(reply), sample.frames[0], 3)


@rule("8.3.5.1", "may", "A presentation state is rendered as the image it refers to, its way.")
def a_presentation_state_is_rendered(site: Site, given: Material) -> None:
    given.having("monochrome2")
    reply = drawn(site, given.having("presentation")).optional(400, 406).expect(200)
    values = given["monochrome2"].frames[0].astype(float)
    near(reply, grey(picture_of(reply)), linear(values, 1000, 400), 2)


@rule("8.7.4", "may", "A video is rendered as video/mp4, its stream as it was stored.")
def a_video_as_mp4(site: Site, given: Material) -> None:
    reply = drawn(site, given.having("video"), "video/mp4").optional(400, 406).expect(200)
    reply.require(reply.essence == "video/mp4", "video/mp4")
    reply.require(reply.body == VIDEO, "the stream that was stored")


@rule("10.4.1.1.3", "shall", "A frame can be rendered, each its own picture.")
def frames_are_rendered(site: Site, given: Material) -> None:
    sample = given.having("multi")
    shown = []
    for number in (1, 2):
        path = f"{sample.path}/frames/{number}/rendered"
        reply = site.get(path, accept="image/png").optional().expect(200)
        shown.append(picture_of(reply))
        reply.require(shown[-1].shape[:2] == (24, 32), "24 rows of 32 columns")
    reply.require(
        not numpy.array_equal(shown[0], shown[1]), "different pictures of different frames"
    )


@rule("10.4.3.1", "shall", "A rendered frame beyond the last is a 404 (or 400).")
def rendered_frame_beyond_the_last(site: Site, given: Material) -> None:
    frames_are_rendered(site, given)
    path = f"{given.having('multi').path}/frames/9/rendered"
    site.get(path, accept="image/png").expect(404, 400)


@rule("10.4.1.1.3", "should", "Several frames are rendered into a part each.")
def several_frames_are_rendered(site: Site, given: Material) -> None:
    path = f"{given.having('multi').path}/frames/1,3/rendered"
    accept = 'multipart/related; type="image/jpeg"'
    reply = site.get(path, accept=accept).optional(400, 406).expect(200)
    reply.require(len(reply.parts) == 2, "two parts")
    for part in reply.parts:
        picture_of(reply, part.content)


def level_rule(level: str) -> None:
    def check(site: Site, given: Material) -> None:
        path = getattr(given.having("ct1"), level) + "/rendered"
        reply = site.get(path, accept='multipart/related; type="image/jpeg"')
        if reply.status in (400, 406):
            reply = site.get(path, accept="image/jpeg")
        reply.optional(400, 406).expect(200)
        for part in reply.payloads:
            picture_of(reply, part.content)

    check.__name__ = f"a_{level}_is_rendered"
    rule("10.4.1.1.3", "should", f"A {level} can be rendered.")(check)


level_rule("series")
level_rule("study")


@rule("10.4.3.1", "shall", "Rendering what is not there is a 404.")
def rendering_nothing(site: Site, given: Material) -> None:
    png(site, given.having("ct1"))
    path = f"{given.having('ct1').series}/instances/{new_uid()}/rendered"
    site.get(path, accept="image/png").expect(404)


def text_rule(media_type: str, sentence: str) -> None:
    def check(site: Site, given: Material) -> None:
        reply = drawn(site, given.having("sr"), media_type).expect(200)
        reply.require(reply.essence == media_type, media_type)
        reply.require("无异常".encode() in reply.body, "the text of the report")

    check.__name__ = "a_report_as_" + media_type.replace("/", "_")
    rule("8.7.4", "shall", sentence)(check)


text_rule("text/html", "A structured report is rendered as text/html, the default.")
text_rule("text/plain", "A structured report is rendered as text/plain.")
text_rule("text/xml", "A structured report is rendered as text/xml.")


@rule("8.7.4", "may", "An encapsulated PDF is rendered as application/pdf.")
def a_document_as_pdf(site: Site, given: Material) -> None:
    reply = drawn(site, given.having("pdf"), "application/pdf").optional(400, 406).expect(200)
    reply.require(reply.essence == "application/pdf", "application/pdf")
    reply.require(reply.body.startswith(b"%PDF"), "the document")


# --- thumbnails -----------------------------------------------------------------------------------

thumbnail = Registrar(THUMBNAILS)


def thumb(site: Site, path: str, accept: str = "image/jpeg", **query: str) -> Reply:
    return site.get(path + "/thumbnail", accept=accept, query=query).optional()


def thumbnail_rule(level: str, what: str) -> None:
    def check(site: Site, given: Material) -> None:
        reply = thumb(site, getattr(given.having("ct1"), level)).expect(200)
        reply.require(reply.essence == "image/jpeg", "image/jpeg")
        picture_of(reply)

    check.__name__ = f"thumbnail_of_{what}"
    thumbnail("10.4.1.1.4", "shall", f"A thumbnail of {what} is an image/jpeg.")(check)


thumbnail_rule("study", "a_study")
thumbnail_rule("series", "a_series")
thumbnail_rule("path", "an_instance")


@thumbnail("10.4.1.1.4", "shall", "A thumbnail of a frame is an image/jpeg.")
def thumbnail_of_a_frame(site: Site, given: Material) -> None:
    reply = thumb(site, given.having("multi").path + "/frames/2").expect(200)
    reply.require(reply.essence == "image/jpeg", "image/jpeg")
    picture_of(reply)


@thumbnail("10.4.4", "shall", "The default media type of a thumbnail is image/jpeg.")
def thumbnail_by_default(site: Site, given: Material) -> None:
    reply = thumb(site, given.having("ct1").path, "*/*").expect(200)
    reply.require(reply.essence == "image/jpeg", "image/jpeg")


@thumbnail("8.3.5.2", "may", "viewport=w,h bounds a thumbnail.")
def thumbnail_viewport(site: Site, given: Material) -> None:
    reply = thumb(site, given.having("ct1").path, viewport="16,16").expect(200)
    rows, columns = picture_of(reply).shape[:2]
    if rows > 16 or columns > 16:
        raise Unsupported(f"{reply.asked}: the thumbnail is {rows} x {columns}")


@thumbnail("10.4.3.1", "shall", "A thumbnail of what is not there is a 404.")
def thumbnail_of_nothing(site: Site, given: Material) -> None:
    thumb(site, given.having("ct1").path).expect(200)
    site.get(f"/studies/{new_uid()}/thumbnail", accept="image/jpeg").expect(404)


@thumbnail("8.7.8.1", "shall", "A thumbnail in a media type there is none of is a 406.")
def thumbnail_that_cannot_be_had(site: Site, given: Material) -> None:
    thumb(site, given.having("ct1").path).expect(200)
    site.get(given.having("ct1").path + "/thumbnail", accept="audio/basic").expect(406)
