"""An archive of each engine, empty, for the tests of what an archive does."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.store import Outcome, Received, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource


@pytest.fixture(params=["memory", "lmdb"])
def archive(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Archive]:
    """An empty archive; the test runs once for each engine."""
    data = "memory:" if request.param == "memory" else str(tmp_path_factory.mktemp("archive"))
    opened = open_archive(Config(data=data))
    yield opened
    opened.close()


@pytest.fixture
def keep(archive: Archive) -> Callable[..., list[Outcome]]:
    """Stores files; `conflict` is the policy for what is stored with other content."""

    def store_files(
        *files: bytes, conflict: str = "refuse", study_uid: str | None = None
    ) -> list[Outcome]:
        config = replace(archive.config, conflict=conflict)
        parts = [Received(BytesSource(file), "a test", study_uid) for file in files]
        return store(Archive(archive.storage, config), parts)

    return store_files
