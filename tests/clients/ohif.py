"""OHIF as it is published, on the origin of a running archive.

The files of npm's `@ohif/app` are served unmodified; only `app-config.js`, which is meant to be
replaced, is ours: a DICOMweb data source on the same origin. Paths that are no file are the page's
own (`/viewer?...`) and answered with `index.html`, as OHIF's deployment guide has it.
"""

import json
import mimetypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.web.app import Application, application

VERSION = "3.13.2"

DICOMWEB_EXTENSION = "@ohif/extension-default.dataSourcesModule.dicomweb"

SOURCE = {
    "friendlyName": "archive",
    "name": "archive",
    "qidoSupportsIncludeField": True,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "supportsFuzzyMatching": True,
    "supportsWildcard": True,
    "dicomUploadEnabled": True,
    "singlepart": "bulkdata,video",
    "bulkDataURI": {"enabled": True},
    "omitQuotationForMultipartRequest": True,
}

CONFIGURATION = {
    "name": "test",
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "showWarningMessageForCrossOrigin": True,
    "showCPUFallbackMessage": False,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
    "investigationalUseDialog": {"option": "never"},
    "showErrorDetails": "always",
    "defaultDataSourceName": "archive",
    "dataSources": [
        {"namespace": DICOMWEB_EXTENSION, "sourceName": "archive", "configuration": SOURCE}
    ],
}

# What JSON cannot say: which origin this is.
SCRIPT = f"""window.config = {json.dumps(CONFIGURATION)};
for (const root of ["wadoUriRoot", "qidoRoot", "wadoRoot"])
  window.config.dataSources[0].configuration[root] = `${{location.origin}}/dicom-web`;
"""


@dataclass(frozen=True)
class Origin:
    """The archive under its prefix, its own reading page, OHIF everywhere else."""

    archive: Application
    prefix: str
    files: Path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith((self.prefix + "/", "/api/")) or self._of_ours(path):
            await self.archive(scope, receive, send)
            return
        await self._file(path)(scope, receive, send)

    def _of_ours(self, path: str) -> bool:
        if path.startswith("/assets/") and ".." not in path:
            return not (self.files / path.lstrip("/")).is_file()
        return path == "/read.html"

    def _file(self, path: str) -> Response:
        if path == "/app-config.js":
            return Response(SCRIPT, media_type="text/javascript")
        file = self.files / path.lstrip("/")
        if ".." in path or not file.is_file():
            file = self.files / "index.html"
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return FileResponse(file, media_type=kind)


@contextmanager
def site(files: Path, data: Path) -> Iterator[str]:
    """The URL of OHIF and an archive in `data`, served by a thread."""
    config = Config(data=str(data))
    archive = open_archive(config)
    program = application(archive, config)
    running = uvicorn.Server(
        uvicorn.Config(
            Origin(program, config.prefix, files),
            host="127.0.0.1",
            port=0,
            lifespan="off",
            loop="uvloop",
            http="httptools",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not running.started:
            assert time.monotonic() < until and thread.is_alive(), "the server does not start"
            time.sleep(0.01)
        host, port = running.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        running.should_exit = True
        thread.join(10)
        program.close()
        archive.close()
