"""Frames at a lower resolution, as byte prefixes of what is kept (`dicom/resolutions.py`).

An eighth of a CT slice is 2 to 4 % of its bytes and no codec runs. A frame that is not kept as
HTJ2K in resolution order (not settled yet, received in another syntax) is encoded first, where
HTJ2K carries it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dicomweb_server.access.caller import Act
from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.encode import encodable
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.resolutions import HEAD_BYTES, prefix_bytes
from dicomweb_server.dicom.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from storage.errors import NotFound
from storage.model import Form, Instance, Place


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first bytes of a frame's codestream of .202, which has `whole_bytes` of them."""

    payload: bytes
    whole_bytes: int


def prefix(
    archive: Archive, instance: Instance, frame_index: int, *, halvings: int
) -> Prefix | None:
    """A frame at 1 / 2**`halvings` of its sides; None when it has no such prefix and none can be
    made. Only the prefix is read, so it is not compared with the checksum of the whole.

    Raises NotFound past the last frame, and when the instance is deleted meanwhile.
    """
    archive.permit(Act.VIEW)
    for place in _kept(archive, instance, frame_index):
        try:
            head = archive.storage.blobs.read_part(place, 0, min(HEAD_BYTES, place.length))
            length = prefix_bytes(head, halvings=halvings)
            if length is None or length > place.length:
                break
            if length > len(head):
                head = archive.storage.blobs.read_part(place, 0, length)
            return Prefix(head[:length], place.length)
        except NotFound:
            continue  # compacted away since the place was looked up
    if HTJ2K_LOSSLESS_RPCL not in encodable(instance.pixels):
        return None
    try:
        made = retrieve.encoded_frame(archive, instance, frame_index, HTJ2K_LOSSLESS_RPCL)
    except DicomError:
        return None
    length = prefix_bytes(made.content[:HEAD_BYTES], halvings=halvings)
    return None if length is None else Prefix(made.content[:length], len(made.content))


def _kept(archive: Archive, instance: Instance, frame_index: int) -> Iterator[Place]:
    """Where the frame's codestream of .202 lies, when it is kept so; once more when asked again."""
    digest = retrieve.whole_content(instance, frame_index)
    if digest is None:
        return
    as_received = instance.transfer_syntax_uid == HTJ2K_LOSSLESS_RPCL
    for _ in range(2):
        place = archive.storage.index.places((digest,))[0]
        if place.form is Form.HTJ2K or (as_received and place.form is Form.RAW):
            yield place
