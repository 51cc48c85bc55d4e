"""Instances for tests of the index, built by the line. Nothing here is DICOM: the index never
looks into what it keeps. Places are made up: it never reads a payload either."""

import hashlib
from collections.abc import Mapping

import orjson

from storage.model import (
    Digest,
    Form,
    FrameTable,
    Instance,
    InstanceFacts,
    Landed,
    Level,
    PixelFormat,
    Place,
)

MODALITY = "00080060"
MODALITIES = "00080061"
STUDY_DATE = "00080020"
STUDY_TIME = "00080030"
ACCESSION = "00080050"
DESCRIPTION = "00081030"
NAME = "00100010"
PATIENT_ID = "00100020"
SERIES_NUMBER = "00200011"

Terms = Mapping[str, str | tuple[str, ...]]

CT = PixelFormat(
    encapsulated=False,
    rows=512,
    columns=512,
    samples=1,
    bits_allocated=16,
    bits_stored=12,
    signed=True,
    planar=False,
    big_endian=False,
    floating=False,
    photometric="MONOCHROME2",
)


def digest_of(text: str) -> Digest:
    return Digest(hashlib.sha256(text.encode()).digest())


def place_of(digest: Digest, *, pack: int = 1) -> Place:
    """A made-up place, the same every time."""
    offset = int.from_bytes(digest[:4], "big")
    length = 1 + digest[4]
    return Place(pack, offset, length, Form.RAW, length * 2, int.from_bytes(digest[8:16], "big"))


def document_of(terms: Terms) -> bytes:
    """DICOM JSON that says what the terms say."""
    elements = {tag: {"vr": "LO", "Value": list(_values(said))} for tag, said in terms.items()}
    return orjson.dumps(elements, option=orjson.OPT_SORT_KEYS)


def level_of(terms: Terms) -> Level:
    return Level({tag: _values(said) for tag, said in terms.items()}, document_of(terms))


def landed(
    uid: str = "1.2.3.4",
    *,
    study: str = "1.2",
    series: str = "1.2.3",
    number: int = 1,
    dataset: str = "",
    frames: tuple[str, ...] = ("frame",),
    skeleton: str = "",
    known: tuple[str, ...] = (),
    pack: int = 1,
    study_terms: Terms | None = None,
    series_terms: Terms | None = None,
    instance_terms: Terms | None = None,
    rollup: Mapping[str, tuple[str, ...]] | None = None,
    frame_table: FrameTable | None = None,
) -> Landed:
    """An instance that has just arrived.

    dataset   what makes its data set different from others with the same UID
    frames    its contents; the same text is the same content
    skeleton  its skeleton; of its own when empty
    known     contents that are not given a place, because they are believed stored
    """
    skeleton = skeleton or f"skeleton of {uid} {dataset}"
    places = {
        digest_of(text): place_of(digest_of(text), pack=pack)
        for text in (skeleton, *frames)
        if text not in known
    }
    instance = Instance(
        study_uid=study,
        series_uid=series,
        instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        number=number,
        file_digest=digest_of(f"file {uid} {dataset}"),
        file_length=1000 + number % 1000,
        dataset_digest=digest_of(f"data set {uid} {dataset}"),
        skeleton=digest_of(skeleton),
        blobs=tuple(digest_of(text) for text in frames),
        holes=tuple(700 + 3 * at for at in range(len(frames))),
        frames=frame_table or FrameTable(len(frames)),
        pixels=CT,
        received_us=1_700_000_000_000_000 + number % 1000,
        source="a test",
    )
    facts = InstanceFacts(
        instance=instance,
        study_level=level_of(study_terms or {}),
        series_level=level_of(series_terms or {}),
        instance_level=level_of(instance_terms or {}),
        rollup=rollup or {},
        metadata=orjson.dumps({"00080018": {"vr": "UI", "Value": [uid]}, "is": dataset}),
    )
    return Landed(facts, places)


def _values(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said
