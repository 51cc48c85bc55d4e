"""Instances as Part 10 files that are not the received ones: in Explicit VR Little Endian with
their frames decoded, in another transfer syntax with frames encoded, or around frames as they are
kept.

The received file, bit for bit, is `retrieve.InstanceFile`.
"""

from functools import partial
from itertools import chain

from dicomweb_server.access.caller import Act
from dicomweb_server.archive import retrieve
from dicomweb_server.archive.ahead import ahead
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import (
    InstanceFile,
    decoded_frame,
    encoded_frame,
    native_frame,
)
from dicomweb_server.archive.streams import Content, assembled
from dicomweb_server.dicom import encode
from dicomweb_server.dicom.explicit import (
    EncodedFrames,
    ExplicitFile,
    NativeFrames,
    around_fragment,
    around_frames,
    explicit_little_endian,
)
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from storage.model import Buffer, Digest, Form, Instance


def explicit_file(archive: Archive, instance: Instance) -> ExplicitFile:
    """An instance as an Explicit VR Little Endian Part 10 file, decoded frame by frame as it is
    sent. Raises of dicom.errors UnsupportedEncoding, Damaged and TooLarge; NotFound."""
    archive.permit(Act.VIEW)
    frames = None
    if count := instance.frames.count:
        first = decoded_frame(archive, instance, 0)
        others = ahead(partial(decoded_frame, archive, instance, n) for n in range(1, count))
        contents = (each.content for each in chain((first,), others))
        frames = NativeFrames(first.pixels, count, len(first.content), contents)
    return explicit_little_endian(
        InstanceFile(archive, instance), frames=frames, limits=archive.limits_of_stored
    )


def file_in(archive: Archive, instance: Instance, transfer_syntax_uid: str) -> ExplicitFile:
    """An instance as a Part 10 file of that transfer syntax, which is not the one it was received
    in: decoded, or encoded anew, frame by frame as it is sent; or, where its frames are kept in it,
    with these as they are. Raises as `explicit_file`."""
    archive.permit(Act.VIEW)
    if transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
        return explicit_file(archive, instance)
    if transfer_syntax_uid in encode.HTJ2K_SYNTAXES:
        kept = kept_file(archive, instance, transfer_syntax_uid)
        if kept is not None:
            return kept
    first = encoded_frame(archive, instance, 0, transfer_syntax_uid)
    ratio = None
    if not transfer_syntax(transfer_syntax_uid).lossless and transfer_syntax_uid not in (
        encode.HTJ2K_SYNTAXES
    ):
        ratio = len(native_frame(archive, instance, 0).content) / len(first.content)
    count = instance.frames.count
    frames = EncodedFrames(
        transfer_syntax_uid,
        first.pixels,
        count,
        (
            each.content
            for each in chain(
                (first,),
                ahead(
                    partial(encoded_frame, archive, instance, n, transfer_syntax_uid)
                    for n in range(1, count)
                ),
            )
        ),
        lossy_ratio=ratio,
    )
    return explicit_little_endian(
        InstanceFile(archive, instance), frames=frames, limits=archive.limits_of_stored
    )


def kept_file(archive: Archive, instance: Instance, syntax: str) -> ExplicitFile | None:
    """The file around HTJ2K payloads as they are kept: no codec runs, and what surrounds them is
    made once. None when not all frames have settled into them."""
    archive.permit(Act.VIEW)
    pieces = kept_pieces(archive, instance, syntax)
    if pieces is None:
        return None
    return ExplicitFile(sum(map(len, pieces)), assembled(archive, pieces))


def kept_pieces(
    archive: Archive, instance: Instance, syntax: str, *, at_once: bool = False
) -> list[Buffer | Content] | None:
    """What `kept_file` is made of.

    at_once  None also when what surrounds the frames has to be made first, which takes a ms
    """
    archive.permit(Act.VIEW)
    contents = kept_contents(archive, instance)
    if contents is None or instance.pixels is None:
        return None
    key = (instance.file_digest, syntax)
    around = archive.headers.get(key)
    if around is None and at_once:
        return None
    if around is None:
        described = encode.described(instance.pixels, syntax)
        encoded = EncodedFrames(syntax, described, len(contents), ())
        # A large value that is no frame is a content too; around_frames then gives none.
        around = around_frames(
            _Blank(archive, instance), frames=encoded, limits=archive.limits_of_stored
        )
        if around is None:
            return None
        archive.headers.put(key, around, weight=sum(map(len, around)) + 200)
    small, after = around
    pieces: list[Buffer | Content] = []
    for content in contents:
        before, pad = around_fragment(len(content))
        pieces += (small + before, content)
        small = pad
    pieces.append(small + after)
    return pieces


def kept_contents(archive: Archive, instance: Instance) -> list[Content] | None:
    """Its frames, when all of them have settled into HTJ2K."""
    archive.permit(Act.VIEW)
    pixels, count = instance.pixels, instance.frames.count
    if pixels is None or pixels.encapsulated or instance.frames.packed_bits or not count:
        return None
    digests: list[Digest] = []
    for number in range(count):
        digest = retrieve.whole_content(instance, number)
        if digest is None:
            return None
        digests.append(digest)
    places = archive.storage.index.places(digests)
    if any(place.form is not Form.HTJ2K for place in places):
        return None
    return [Content(digest, place) for digest, place in zip(digests, places, strict=True)]


class _Blank(InstanceFile):
    """The file with zeros for its contents: of a header that is all, and no frame is decoded."""

    def _part(self, k: int, within: int, length: int) -> bytes:
        return bytes(min(length, self._places[k].content_length - within))
