"""One server for two viewers: the archive with its own pages, and OHIF where those have no file.

    python -m benchmarks.ohif_site OHIF_FILES ARCHIVE PORT

OHIF is what npm publishes, served as its guide recommends: compressed, and kept by browsers where
a file's name has its content's hash. Both viewers then have the same archive, the same process and
the same origin.
"""

import asyncio
import mimetypes
import re
import sys
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from benchmarks.peers import Missing, Ours
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.web.app import Application, application
from tests.clients.npm import package
from tests.clients.ohif import SCRIPT, VERSION
from viewer import pages

_COMPRESSED = frozenset({".js", ".css", ".html", ".json", ".svg", ".wasm"})
_HASHED = re.compile(r"\.[0-9a-f]{16,}\.|^[0-9a-f]{16,}\.")


class TwoViewers(Ours):
    """This checkout's server, with OHIF beside its pages."""

    name = "ours"

    def __init__(self, archive: Path, *, port: int) -> None:
        super().__init__(archive, port=port)
        try:
            self.files = package("@ohif/app", VERSION) / "dist"
        except pytest.skip.Exception as missing:
            raise Missing(
                f"{missing}; `python -m benchmarks.ohif_site` fetches it where there is a network"
            ) from missing

    def command(self) -> Sequence[str]:
        archive = str(self.directory / "archive")
        module = "benchmarks.ohif_site"
        return [sys.executable, "-m", module, str(self.files), archive, str(self.port)]


@cache
def _file(path: Path) -> tuple[bytes, dict[str, str]]:
    """What is sent of a file and with which headers."""
    content = path.read_bytes()
    headers = {"content-type": mimetypes.guess_type(path.name)[0] or "application/octet-stream"}
    if _HASHED.search(path.name):
        headers["cache-control"] = "public, max-age=31536000, immutable"
    if path.suffix in _COMPRESSED:
        packer = zlib.compressobj(6, wbits=31)
        content = packer.compress(content) + packer.flush()
        headers["content-encoding"] = "gzip"
    return content, headers


class Site:
    """The archive and its pages; everything else is OHIF's."""

    def __init__(self, archive: Application, prefix: str, files: Path) -> None:
        self._archive = archive
        self._own = {f"/{name}" for name in pages()} - {"/index.html"}
        self._prefix = prefix + "/"
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in self._own or path.startswith((self._prefix, "/api/", "/health")):
            await self._archive(scope, receive, send)
            return
        if path == "/app-config.js":
            await Response(SCRIPT, media_type="text/javascript")(scope, receive, send)
            return
        file = self._files / path.lstrip("/")
        if ".." in path or not file.is_file():
            file = self._files / "index.html"
        content, headers = _file(file)
        await Response(content, headers=headers)(scope, receive, send)


def main(files: Path, data: Path, port: int) -> None:
    config = Config(data=str(data))
    archive = open_archive(config)
    program = application(archive, config)
    server = uvicorn.Server(
        uvicorn.Config(
            Site(program, config.prefix, files),
            host="127.0.0.1",
            port=port,
            lifespan="off",
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    try:
        asyncio.run(server.serve())
    finally:
        program.service.workers.shutdown()
        archive.close()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(package("@ohif/app", VERSION))
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
