"""Instances as one zip file, made while it is sent (PS3.18 §8.6.1.3): the files in folders that
media allow, and a DICOMDIR that refers to them (PS3.10 §8).

Members are deflated, since a stored member whose length is only known at its end cannot be read by
those who read a zip from its beginning; codestreams at level 0, which is deflated in name only.
"""

import zipfile
from collections.abc import Iterable, Iterator
from io import RawIOBase

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.dicomdir import DicomDir
from dicomweb_server.archive.export import MediaNames, metadata_by_uid, series_rows
from dicomweb_server.dicom.transfer_syntaxes import transfer_syntax
from storage.model import Buffer, Instance, Row, Scope

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(
    archive: Archive, scope: Scope, files: Iterable[tuple[Instance, str, Iterator[Buffer]]]
) -> Iterator[bytes]:
    """The zip, piece by piece.

    files  instances of the scope, the transfer syntax each is to be in, and its file in pieces

    Raises NotFound, and what making the files raises.
    """
    archive.permit(Act.EXPORT)
    archive.note_now(Event("study.export", scope.study_uid, detail={"form": "zip"}))
    return _zipped(archive.own, scope, files)


def _zipped(
    archive: Archive, scope: Scope, files: Iterable[tuple[Instance, str, Iterator[Buffer]]]
) -> Iterator[bytes]:
    out = _Drained()
    rows: dict[str, Row] = {
        row.series.series_uid: row
        for row in series_rows(archive, scope.study_uid)
        if row.series is not None
    }
    directory, names = DicomDir(), MediaNames()
    documents: dict[str, dict[str, object]] = {}
    series_uid, number = "", 0
    with zipfile.ZipFile(out, "w", allowZip64=True) as archived:
        for instance, syntax, chunks in files:
            if instance.series_uid != series_uid:
                series_uid, number = instance.series_uid, 0
                documents = metadata_by_uid(archive, Scope(instance.study_uid, series_uid))
            number += 1
            path = names.of(rows[series_uid], instance, number)
            member = _member("/".join(path), level=0 if transfer_syntax(syntax).encapsulated else 1)
            with archived.open(member, "w", force_zip64=instance.file_length > 2**30) as stream:
                for chunk in chunks:
                    stream.write(chunk)
                    yield out.drained()
            directory.add(
                documents[instance.instance_uid], file_id=path, transfer_syntax_uid=syntax
            )
        archived.writestr(_member("DICOMDIR", level=1), directory.encode())
    yield out.drained()


def _member(name: str, *, level: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member._compresslevel = level  # type: ignore[attr-defined]  # public from Python 3.13 on
    member.external_attr = 0o644 << 16
    return member


class _Drained(RawIOBase):
    """What is written, to be taken away again; not seekable, so that zipfile writes lengths and
    checksums after each member."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Buffer, /) -> int:  # type: ignore[override]
        self._pieces.append(bytes(piece))
        return len(piece)

    def drained(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
