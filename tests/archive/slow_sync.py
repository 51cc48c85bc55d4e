"""A disk that has been asked to make something durable and does not get on with it."""

import os
import threading

import pytest


class SlowSync:
    """In place of os.fdatasync: `begun` when somebody is in it, who goes on with `go_on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self._fdatasync = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        self.begun.set()
        assert self.go_on.wait(20)
        self._fdatasync(descriptor)
