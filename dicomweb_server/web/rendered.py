"""Rendered resources and thumbnails (PS3.18 §10.4.1.1.3 and .4, §8.3.5, §8.7.4).

A frame, or what stands for an instance, a series or a study: the middle one of what has frames.
JPEG unless PNG or GIF is asked for; a GIF of a multi-frame instance moves. A presentation state is
the image it refers to, shown its way; a report is a text, an encapsulated document and a video are
what they are. Of the parameters of §8.3.5 these are read:

    viewport=w,h[,x,y,width,height]  the picture, or that part of the image, fits into w x h pixels,
                                     its proportions kept; negative extents mirror (§8.3.5.1.3)
    window=center,width[,function]   linear, linear-exact or sigmoid (§8.3.5.1.4)
    quality=1..100                   of a JPEG (§8.3.5.1.2)
    annotation=patient,technique     is written on the picture (§8.3.5.1.1)
    iccprofile=no|yes|srgb           in a picture in colour (§8.3.5.1.5)
"""

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from math import isfinite
from typing import Any, NamedTuple

import orjson
from PIL import Image

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom import annotations, colour_profiles, render, report_text
from dicomweb_server.dicom.overlays import planes
from dicomweb_server.dicom.presentation import (
    SOP_CLASSES,
    Presentation,
    presentation,
    references,
)
from dicomweb_server.dicom.resizing import Picture, View, fitted, viewed
from dicomweb_server.dicom.transfer_syntaxes import transfer_syntax
from dicomweb_server.dicom.windowing import Function, Window
from dicomweb_server.dicom.xml_model import to_xml
from dicomweb_server.web import etags, multipart, offers
from dicomweb_server.web.bulkdata import ENCAPSULATED_DOCUMENT, document_of, guards, media_type_of
from dicomweb_server.web.frames import frame_numbers
from dicomweb_server.web.http import Reply, Request, content, header
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.negotiate import Representation
from dicomweb_server.web.offers import selected
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.remembered import Basis
from dicomweb_server.web.service import Service
from storage.errors import NotFound
from storage.model import Buffer, Instance, Scope

LARGEST = 8192
"""Pixels of a side of a viewport, at most."""

THUMBNAIL = (200, 200)
"""The viewport of a thumbnail when none is asked for."""

QUALITY = 85

GIF_PIXELS = 64 * 2**20
"""Of all frames of a moving picture, which are held at once."""

PARSED = 10
"""Bytes that a parsed document takes in memory for each byte of its JSON, about."""

MOST_HALVINGS = 5
"""What the archive's codestreams have (dicom/codecs.py)."""

SEVERAL = 64
"""Frames that one request may have drawn."""


class Drawing(NamedTuple):
    """How a picture is asked for.

    region  of the image that is shown, in its pixels: x, y, width, height; negative extents mirror.
            None in a place means as far as the image reaches
    """

    media_type: str = "image/jpeg"
    viewport: tuple[int, int] | None = None
    region: tuple[int | None, ...] | None = None
    window: Window | None = None
    quality: int = QUALITY
    annotation: tuple[str, ...] = ()
    icc_profile: str = "no"


@dataclass(frozen=True, slots=True)
class Subject:
    """What there is to draw: frames (from 0) of an image, the way of a presentation state or its
    own; all of them are one moving picture when that is asked for."""

    instance: Instance
    frames: tuple[int, ...]
    state: Instance | None = None


async def rendered(service: Service, request: Request) -> Reply:
    """Handler of GET .../rendered on study, series, instance and frame."""
    return await service.workers.run(_rendered, service, request)


async def thumbnail(service: Service, request: Request) -> Reply:
    """Handler of GET .../thumbnail on study, series, instance and frame."""
    return await service.workers.run(_thumbnail, service, request)


def _rendered(service: Service, request: Request) -> Reply:
    # All of it in one thread: looking for what is drawn, in a hop of its own, took 0.3 ms of the
    # 1.8 that a slice takes.
    scope = scope_of(request)
    if "frames" in request.parameters:
        return _frames(service, request, scope, viewport=None)
    archive = service.archive
    instance, basis = _what(archive, scope)
    if transfer_syntax(instance.transfer_syntax_uid).video and not instance.frames.count:
        return _value(service, request, instance, "7FE00010")
    if instance.pixels is None and not instance.sop_class_uid.startswith(SOP_CLASSES):
        document = document_of(archive, instance)
        if ENCAPSULATED_DOCUMENT in document:
            return _value(service, request, instance, ENCAPSULATED_DOCUMENT)
        if report_text.is_report(document):
            return _report(request, instance, document)
        raise NotFound("rendering of instance", instance.instance_uid)
    subject = _subject(archive, scope, instance)
    return _picture(service, request, subject, basis, viewport=None)


def _thumbnail(service: Service, request: Request) -> Reply:
    scope = scope_of(request)
    if "frames" in request.parameters:
        return _frames(service, request, scope, viewport=THUMBNAIL)
    instance, basis = _what(service.archive, scope)
    subject = _subject(service.archive, scope, instance)
    return _picture(service, request, subject, basis, viewport=THUMBNAIL)


# --- what is drawn --------------------------------------------------------------------------------


def _what(archive: Archive, scope: Scope) -> tuple[Instance, Basis]:
    """What stands for a scope, an image when there is one; and what that rests on. Raises
    NotFound."""
    if scope.instance_uid is not None:
        instance, key, version = retrieve.versioned(archive, scope)
        return instance, Basis(scope, ((key, version),))
    basis = Basis(scope, tuple(retrieve.versions(archive, scope)))
    try:
        return retrieve.representative(archive, scope)[0], basis
    except NotFound:
        return retrieve.instances(archive, scope)[0], basis


def _subject(archive: Archive, scope: Scope, instance: Instance) -> Subject:
    """Raises NotFound when there is nothing to draw."""
    if instance.sop_class_uid.startswith(SOP_CLASSES):
        return presented(archive, instance)
    if not instance.frames.count:
        raise NotFound("image", scope.instance_uid or scope.series_uid or scope.study_uid)
    return Subject(instance, (instance.frames.count // 2,))


def presented(archive: Archive, state: Instance, image: Instance | None = None) -> Subject:
    """The first image that a presentation state refers to and that is stored, or `image` when it
    refers to that. Raises NotFound."""
    for reference in references(document_of(archive, state)):
        if image is not None and reference.instance_uid != image.instance_uid:
            continue
        try:
            scope = Scope(state.study_uid, reference.series_uid, reference.instance_uid)
            found = retrieve.instance(archive, scope)
        except NotFound:
            continue
        if 0 < reference.frame_number <= found.frames.count:
            return Subject(found, (reference.frame_number - 1,), state)
    raise NotFound("image of presentation state", state.instance_uid)


# --- what is not drawn ----------------------------------------------------------------------------


def _value(service: Service, request: Request, instance: Instance, path: str) -> Reply:
    """A value that is a rendering already: a document, a video."""
    archive = service.archive
    media_type = media_type_of(archive, instance, path)
    representation = selected(request, offers.only(media_type))
    tag = etags.etag(instance.file_digest, path)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    value = retrieve.bulk_value(archive, instance, path)
    headers = (header("content-type", representation.media_type), header("etag", tag))
    return Reply(
        200,
        (*headers, *guards(media_type)),
        service.workers.stream(value.chunks()),
        length=value.length,
        part=lambda start, length: service.workers.stream(value.part(start, length)),
    )


def _report(request: Request, instance: Instance, document: dict[str, Any]) -> Reply:
    media_type = selected(request, offers.REPORTS).media_type
    tag = etags.etag(instance.file_digest, media_type)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    if media_type == "text/xml":
        body = to_xml(document)
    else:
        write = report_text.as_html if media_type == "text/html" else report_text.as_text
        body = write(document).encode("utf-8", "replace")
    headers = (
        header("content-type", f"{media_type}; charset=utf-8"),
        header("etag", tag),
        *guards(media_type),
    )
    return Reply(200, headers, (body,))


# --- pictures -------------------------------------------------------------------------------------


def _frames(
    service: Service, request: Request, scope: Scope, *, viewport: tuple[int, int] | None
) -> Reply:
    numbers = frame_numbers(request.parameters["frames"])
    if len(numbers) > SEVERAL:
        detail = f"{len(numbers)} frames are more than the {SEVERAL} that are drawn at once"
        raise Problem(400, detail, field="frames")
    instance, basis = _what(service.archive, scope)
    if beyond := [n for n in numbers if n > instance.frames.count]:
        raise NotFound("frame", f"{beyond[0]} of {instance.frames.count}")
    subject = Subject(instance, tuple(n - 1 for n in numbers))
    return _picture(service, request, subject, basis, viewport=viewport)


def _picture(
    service: Service,
    request: Request,
    subject: Subject,
    basis: Basis,
    *,
    viewport: tuple[int, int] | None,
) -> Reply:
    several = len(subject.frames) > 1
    offer = offers.SEVERAL_PICTURES if several else offers.PICTURES
    representation = selected(request, offer)
    drawing = drawing_of(request.query, representation.media_type, viewport=viewport)
    if drawing.media_type == "image/gif" and "frames" not in request.parameters:
        subject = replace(subject, frames=moving(subject))
    if drawing.viewport is not None and subject.instance.frames.count:
        # A smaller picture depends on the form the frames are kept in: asked before it is drawn.
        places = retrieve.frame_places(service.archive, subject.instance, subject.frames)
        basis = replace(basis, places=places)
    reply = pictured(service, request, subject, drawing, representation)
    # The image of a presentation state lies in another series, which may change too.
    return reply if subject.state is not None else reply.resting_on(basis)


def moving(subject: Subject) -> tuple[int, ...]:
    """The frames of a GIF of a whole instance."""
    if subject.state is not None:
        return subject.frames
    return tuple(range(subject.instance.frames.count))


def pictured(
    service: Service,
    request: Request,
    subject: Subject,
    drawing: Drawing,
    representation: Representation,
) -> Reply:
    """The reply that is the drawing, or a part for each frame."""
    state = None if subject.state is None else subject.state.file_digest
    # A picture is drawn from a smaller frame where the form a frame is kept in has one.
    kept = None
    if drawing.viewport is not None:
        kept = retrieve.frame_syntaxes(service.archive, subject.instance, subject.frames)
    tag = etags.etag(
        subject.instance.file_digest, state, subject.frames, drawing, kept, representation.multipart
    )
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    if not representation.multipart:
        body = _draw(service, subject, drawing)
        return content(200, drawing.media_type, body, etag=tag)
    boundary = tag.strip('"')
    frames = subject.frames
    together = drawing.media_type == "image/gif" and "frames" not in request.parameters
    subjects = [subject] if together else [replace(subject, frames=(one,)) for one in frames]
    parts: list[bytes] = []
    for number, one in enumerate(subjects):
        parts.append(multipart.part_head(boundary, drawing.media_type, first=number == 0))
        parts.append(_draw(service, one, drawing))
    parts.append(multipart.tail(boundary))
    return content(200, multipart.related(boundary, drawing.media_type), *parts, etag=tag)


def _draw(service: Service, subject: Subject, drawing: Drawing) -> bytes:
    """The encoded picture. Raises what reading, decoding and `render` raise; Problem."""
    archive, instance = service.archive, subject.instance
    # What is written on a picture, its colour profile and its time are said elsewhere in it.
    moves = drawing.media_type == "image/gif"
    whole = moves or drawing.annotation or drawing.icc_profile != "no"
    document = document_of(archive, instance) if whole else _governing(service, instance)
    if moves:
        return _gif(archive, subject, drawing, document)
    picture = _one(archive, subject, subject.frames[0], drawing, document)
    profile = b""
    if drawing.icc_profile != "no" and picture.ndim == 3:
        own = _profile(archive, instance, document)
        if own and drawing.icc_profile == "srgb":
            picture = colour_profiles.to_srgb(picture, own)
        profile = own if own and drawing.icc_profile == "yes" else colour_profiles.SRGB
    if drawing.media_type == "image/png":
        encoded = render.png(picture)
    else:
        encoded = render.jpeg(picture, quality=drawing.quality)
    return colour_profiles.with_profile(encoded, profile) if profile else encoded


def _governing(service: Service, instance: Instance) -> dict[str, Any]:
    """What decides how pixels of the instance are drawn, which every picture of it asks anew."""
    found = service.governing.get(instance.file_digest)
    if found is None:
        found = render.governing(document_of(service.archive, instance))
        weight = PARSED * len(orjson.dumps(found))
        service.governing.put(instance.file_digest, found, weight=weight)
    return found


def _one(
    archive: Archive,
    subject: Subject,
    frame_index: int,
    drawing: Drawing,
    document: dict[str, Any],
) -> Picture:
    instance = subject.instance
    small = None
    if halvings := _halvings(subject, drawing, document, frame_index):
        small = retrieve.reduced_frame(archive, instance, frame_index, halvings=halvings)
    native = small or retrieve.native_frame(archive, instance, frame_index)
    if subject.state is not None:
        picture = _presented(archive, subject, native.content, native.pixels, drawing, document)
    else:
        picture = render.render(
            native.content,
            native.pixels,
            document,
            frame_index=frame_index,
            window=drawing.window,
            size=drawing.viewport,
            view=_view(drawing.region, rows=native.pixels.rows, columns=native.pixels.columns),
            fetch=lambda path: _bulk(archive, instance, path),
            of=_shape(instance) if small else None,
        )
    if not drawing.annotation:
        return picture
    return annotations.annotated(
        picture,
        top=annotations.patient(document) if "patient" in drawing.annotation else [],
        bottom=annotations.technique(document) if "technique" in drawing.annotation else [],
    )


def _shape(instance: Instance) -> tuple[int, int]:
    assert instance.pixels is not None, "frames without a pixel format"
    return instance.pixels.rows, instance.pixels.columns


def _halvings(
    subject: Subject, drawing: Drawing, document: dict[str, Any], frame_index: int
) -> int:
    """How often the image may be halved and still has the pixels that are drawn: 0 where each
    counts, for a part of it, for what is drawn on it, and for indices of a palette."""
    pixels = subject.instance.pixels
    if pixels is None or drawing.viewport is None or drawing.region or subject.state is not None:
        return 0
    if pixels.photometric == "PALETTE COLOR" or planes(document):
        return 0
    rows, columns = fitted(
        rows=pixels.rows,
        columns=pixels.columns,
        aspect=render.aspect(document, frame_index),
        size=drawing.viewport,
    )
    shrinks = min(pixels.rows // rows, pixels.columns // columns)
    return min(shrinks.bit_length() - 1, MOST_HALVINGS) if shrinks else 0


def _presented(
    archive: Archive,
    subject: Subject,
    samples: Buffer,
    pixels: Any,
    drawing: Drawing,
    document: dict[str, Any],
) -> Picture:
    """The image as its presentation state has it."""
    state = subject.state
    assert state is not None
    said = document_of(archive, state)
    reference = next(
        one
        for one in references(said)
        if one.instance_uid == subject.instance.instance_uid
        and one.frame_number == subject.frames[0] + 1
    )
    shown: Presentation = presentation(
        said, document, reference, rows=pixels.rows, columns=pixels.columns
    )

    def fetch(path: str) -> bytes:
        sequence, _, rest = path.partition("/")
        return _bulk(archive, state, f"{shown.luts[sequence]}/{rest}")

    grey = pixels.photometric.startswith("MONOCHROME")
    if grey:
        pixels = replace(pixels, photometric=shown.photometric)
    picture = render.drawn(
        samples, pixels, shown.document, window=drawing.window, fetch=fetch if grey else None
    )
    view = _view(drawing.region, rows=pixels.rows, columns=pixels.columns) or shown.view
    height = render.aspect(shown.document, 0)
    picture = viewed(shown.shuttered(picture), view, aspect=height, size=drawing.viewport)
    marks = replace(shown, view=view).marks(rows=picture.shape[0], columns=picture.shape[1])
    return annotations.marked(picture, *marks) if any(marks) else picture


def _gif(archive: Archive, subject: Subject, drawing: Drawing, document: dict[str, Any]) -> bytes:
    """All frames one after another, in the time the instance gives them."""
    images: list[Image.Image] = []
    pixels = 0
    for frame_index in subject.frames:
        picture = _one(archive, subject, frame_index, drawing, document)
        pixels += picture.shape[0] * picture.shape[1]
        if pixels > GIF_PIXELS:
            raise Problem(
                413,
                f"{len(subject.frames)} frames of {picture.shape[1]} x {picture.shape[0]} pixels "
                f"are more than the {GIF_PIXELS} of a GIF: ask for a smaller viewport",
                field="viewport",
            )
        image = Image.fromarray(picture)
        images.append(image if picture.ndim == 2 else image.quantize(256))
    out = BytesIO()
    first, *others = images
    moving_by = {"duration": _frame_time_ms(document), "loop": 0} if others else {}
    first.save(out, "GIF", save_all=True, append_images=others, optimize=False, **moving_by)
    return out.getvalue()


def _frame_time_ms(document: dict[str, Any]) -> int:
    """Frame Time (0018,1063), or by Cine Rate (0018,0040) or Recommended Display Frame Rate
    (0008,2144); GIF counts in hundredths of a second, and browsers take less than two for ten."""
    times = {"00181063": 1.0, "00180040": 0.0, "00082144": 0.0}
    for tag, in_ms in times.items():
        value = next(iter(document.get(tag, {}).get("Value") or ()), None)
        if isinstance(value, int | float) and value > 0:
            return max(20, min(10_000, round(value if in_ms else 1000 / value)))
    return 100


def _profile(archive: Archive, instance: Instance, document: dict[str, Any]) -> bytes:
    """The ICC Profile (0028,2000) of the image or of its first optical path; b"" without one."""
    paths: dict[str, Any] = next(iter(document.get("00480105", {}).get("Value") or ()), {})
    for within, path in ((document, "00282000"), (paths, "00480105/0/00282000")):
        element = within.get("00282000", {})
        if "InlineBinary" in element:
            return b64decode(element["InlineBinary"])
        if "BulkDataURI" in element:
            return _bulk(archive, instance, path)
    return b""


def _bulk(archive: Archive, instance: Instance, path: str) -> bytes:
    return b"".join(retrieve.bulk_value(archive, instance, path).chunks())


def _view(region: tuple[int | None, ...] | None, *, rows: int, columns: int) -> View | None:
    """Raises Problem (400) when nothing of the image is in the region."""
    if region is None:
        return None
    left, top = region[0] or 0, region[1] or 0
    width = columns - left if region[2] is None else region[2]
    height = rows - top if region[3] is None else region[3]
    across, down = min(abs(width), columns - left), min(abs(height), rows - top)
    if left < 0 or top < 0 or across <= 0 or down <= 0:
        detail = f"viewport is outside of the image of {columns} x {rows} pixels"
        raise Problem(400, detail, field="viewport")
    # Upside down is half a turn, and left and right changed back.
    quarters = 2 if height < 0 else 0
    return View(left, top, across, down, quarters, (width < 0) != (height < 0))


# --- parameters -----------------------------------------------------------------------------------


def drawing_of(
    query: Sequence[tuple[str, str]], media_type: str, *, viewport: tuple[int, int] | None
) -> Drawing:
    """Raises Problem (400) naming the parameter that cannot be understood."""
    asked: dict[str, Any] = {"viewport": viewport}
    for name, text in query:
        try:
            match name:
                case "viewport":
                    asked["viewport"], asked["region"] = _viewport(text)
                case "window":
                    asked["window"] = window_of(text)
                case "quality":
                    asked["quality"] = _quality(text)
                case "annotation":
                    asked["annotation"] = _among(text, _ANNOTATIONS)
                case "iccprofile":
                    (asked["icc_profile"],) = _among(text, _PROFILES)
        except (ValueError, IndexError):
            raise Problem(400, f"{name}={text[:60]} is not {_MEANT[name]}", field=name) from None
    return Drawing(media_type, **asked)


_ANNOTATIONS = frozenset({"patient", "technique"})
_PROFILES = frozenset({"no", "yes", "srgb"})
_FUNCTIONS = {
    "linear": Function.LINEAR,
    "linear-exact": Function.LINEAR_EXACT,
    "sigmoid": Function.SIGMOID,
}
_MEANT = {
    "viewport": f"width,height in pixels, each 1 to {LARGEST}, or these and x,y,width,height of the"
    " part of the image that is shown",
    "window": "center,width or center,width,function with a width of 1 or more and one of the"
    f" functions {', '.join(_FUNCTIONS)}",
    "quality": "a whole number from 1 to 100",
    "annotation": "a list of patient, technique",
    "iccprofile": "no, yes or srgb",
}


def _viewport(text: str) -> tuple[tuple[int, int], tuple[int | None, ...] | None]:
    values = text.split(",")
    width, height = int(values[0]), int(values[1])
    if not (0 < width <= LARGEST and 0 < height <= LARGEST) or len(values) not in (2, 6):
        raise ValueError
    if len(values) == 2:
        return (width, height), None
    region = tuple(int(float(each)) if each.strip() else None for each in values[2:])
    if 0 in region[2:]:
        raise ValueError
    return (width, height), region


def window_of(text: str) -> Window:
    """Raises ValueError, IndexError."""
    values = text.split(",")
    center, width = float(values[0]), float(values[1])
    function = _FUNCTIONS.get(values[2].strip().lower()) if values[2:] else Function.LINEAR
    if len(values) > 3 or function is None or not isfinite(center) or not 1 <= width < 1e300:
        raise ValueError
    return Window(center, width, function)


def _quality(text: str) -> int:
    quality = int(text)
    if not 1 <= quality <= 100:
        raise ValueError
    return quality


def _among(text: str, allowed: frozenset[str]) -> tuple[str, ...]:
    """Those named, in an order that is always the same: an ETag is made of it."""
    named = {each.strip().lower() for each in text.split(",") if each.strip()}
    if not named <= allowed or not named:
        raise ValueError
    return tuple(sorted(named))
