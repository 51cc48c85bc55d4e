"""A source that makes who reads it wait."""

import threading

from dicomweb_server.dicom.source import BytesSource


class SlowSource:
    """A file that cannot be read before `go_on` is set; `begun` once somebody tries."""

    def __init__(self, file: bytes) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._file = BytesSource(file)

    @property
    def length(self) -> int:
        return self._file.length

    def read_at(self, offset: int, length: int) -> bytes:
        self.begun.set()
        assert self.go_on.wait(20)
        return self._file.read_at(offset, length)
