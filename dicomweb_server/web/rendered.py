"""Rendered pictures and thumbnails (PS3.18 §10.4.1.1.3 and .4, §8.3.5).

A frame, or the one that stands for an instance, a series or a study: the middle one. JPEG unless
PNG is asked for. Of the parameters of §8.3.5 these are read:

    viewport=w,h           the picture fits into w x h pixels, its proportions kept (§8.3.5.1.3)
    window=center,width[,linear]     values outside are black or white (§8.3.5.1.4)
    quality=1..100         of a JPEG (§8.3.5.1.2)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom import render
from dicomweb_server.web import etags
from dicomweb_server.web.frames import frame_numbers
from dicomweb_server.web.http import Reply, Request, content
from dicomweb_server.web.metadata import scope_of
from dicomweb_server.web.offers import PICTURES, selected
from dicomweb_server.web.problems import Problem
from dicomweb_server.web.service import Service
from storage.errors import NotFound
from storage.model import Instance, Scope

LARGEST = 8192
"""Pixels of a side of a viewport, at most."""

THUMBNAIL = (200, 200)
"""The viewport of a thumbnail when none is asked for."""

QUALITY = 85


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a picture is asked for."""

    media_type: str
    viewport: tuple[int, int] | None
    window: tuple[float, float] | None
    quality: int


async def rendered(service: Service, request: Request) -> Reply:
    """Handler of GET .../rendered on study, series, instance and frame."""
    return await _picture(service, request, viewport=None)


async def thumbnail(service: Service, request: Request) -> Reply:
    """Handler of GET .../thumbnail on study, series, instance and frame."""
    return await _picture(service, request, viewport=THUMBNAIL)


async def _picture(
    service: Service, request: Request, *, viewport: tuple[int, int] | None
) -> Reply:
    representation = selected(request, PICTURES)
    drawing = _drawing(request.query, representation.media_type, viewport=viewport)
    scope = scope_of(request)
    numbers = frame_numbers(request.parameters["frames"]) if "frames" in request.parameters else []
    if len(numbers) > 1:
        raise Problem(400, f"one frame is drawn, not {len(numbers)}", field="frames")
    instance, frame_index = await service.workers.run(_which, service.archive, scope, numbers)
    tag = etags.etag(instance.file_digest, frame_index, drawing)
    if (reply := etags.not_modified(request, tag)) is not None:
        return reply
    body = await service.workers.run(_draw, service.archive, instance, frame_index, drawing)
    return content(200, drawing.media_type, body, etag=tag)


def _which(archive: Archive, scope: Scope, numbers: Sequence[int]) -> tuple[Instance, int]:
    if not numbers:
        return retrieve.representative(archive, scope)
    instance = retrieve.instance(archive, scope)
    if numbers[0] > instance.frames.count:
        raise NotFound("frame", f"{numbers[0]} of {instance.frames.count}")
    return instance, numbers[0] - 1


def _draw(archive: Archive, instance: Instance, frame_index: int, drawing: Drawing) -> bytes:
    scope = Scope(instance.study_uid, instance.series_uid, instance.instance_uid)
    document, _ = retrieve.instance_metadata(archive, scope)
    native = retrieve.native_frame(archive, instance, frame_index)

    def bulk_value(path: str) -> bytes:
        return b"".join(retrieve.bulk_value(archive, instance, path).chunks())

    image = render.render(
        native.content,
        native.pixels,
        orjson.loads(document),
        frame_index=frame_index,
        window=drawing.window,
        size=drawing.viewport,
        fetch=bulk_value,
    )
    if drawing.media_type == "image/png":
        return render.png(image)
    return render.jpeg(image, quality=drawing.quality)


def _drawing(
    query: Sequence[tuple[str, str]], media_type: str, *, viewport: tuple[int, int] | None
) -> Drawing:
    """Raises Problem (400) naming the parameter that cannot be understood."""
    window: tuple[float, float] | None = None
    quality = QUALITY
    for name, text in query:
        values = text.split(",")
        try:
            if name == "viewport":
                width, height = (int(each) for each in values)
                if not (0 < width <= LARGEST and 0 < height <= LARGEST):
                    raise ValueError
                viewport = (width, height)
            elif name == "window":
                center, extent = float(values[0]), float(values[1])
                if len(values) > 3 or not 1 <= extent < float("inf") or center != center:
                    raise ValueError
                if len(values) == 3 and values[2].lower() != "linear":
                    raise ValueError
                window = (center, extent)
            elif name == "quality":
                quality = int(text)
                if not 1 <= quality <= 100:
                    raise ValueError
        except (ValueError, IndexError):
            raise Problem(400, f"{name}={text[:60]} is not {_MEANT[name]}", field=name) from None
    return Drawing(media_type, viewport, window, quality)


_MEANT = {
    "viewport": f"width,height in pixels, each 1 to {LARGEST}",
    "window": "center,width or center,width,linear with a width of 1 or more",
    "quality": "a whole number from 1 to 100",
}
