"""Key images as pictures for the printed report: drawn as the archive draws them."""

import logging
from collections.abc import Iterable

import orjson

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.render import jpeg, render
from dicomweb_server.reading.content import ImageReference
from storage.errors import NotFound
from storage.model import Instance, Scope

logger = logging.getLogger(__name__)

LONGEST_EDGE = 640
"""Pixels: 8 cm on paper at 200 dots an inch."""

QUALITY = 85


def pictures(archive: Archive, images: Iterable[ImageReference]) -> dict[ImageReference, bytes]:
    """JPEG of each image that is there and can be drawn; what cannot is left out, and logged: a
    report is not held back because of a picture in it."""
    found = {}
    for image in images:
        try:
            found[image] = _picture(archive, image)
        except (NotFound, DicomError) as error:
            logger.warning("key image %s is not in the PDF: %s", image.instance_uid, error)
    return found


def _picture(archive: Archive, image: ImageReference) -> bytes:
    scope = Scope(image.study_uid, image.series_uid, image.instance_uid)
    instance = retrieve.instance(archive, scope)
    if instance.pixels is None:
        raise NotFound("picture of", image.instance_uid)
    frame_index = max(0, image.frame_number - 1)
    native = retrieve.native_frame(archive, instance, frame_index)
    document: Json = orjson.loads(retrieve.instance_metadata(archive, scope)[0])
    picture = render(
        native.content,
        native.pixels,
        document,
        frame_index=frame_index,
        size=(LONGEST_EDGE, LONGEST_EDGE),
        fetch=lambda path: _bulk(archive, instance, path),
    )
    return jpeg(picture, quality=QUALITY)


def _bulk(archive: Archive, instance: Instance, path: str) -> bytes:
    value = retrieve.bulk_value(archive, instance, path)
    return b"".join(value.chunks())
