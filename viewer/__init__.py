"""The pages that the browser gets: what `viewer/build.py` has made of the sources beside this file.

A checkout builds them with `make run`; an installed package carries them.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


def pages() -> dict[str, tuple[str, bytes]]:
    """Every file by its path (`index.html`, `assets/...`): its media type and its bytes. Empty
    when the pages have not been built."""
    built = files(__name__).joinpath("dist")
    return dict(_files(built, "")) if built.is_dir() else {}


def _files(folder: Traversable, path: str) -> list[tuple[str, tuple[str, bytes]]]:
    found: list[tuple[str, tuple[str, bytes]]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _files(entry, f"{path}{entry.name}/")
        elif (media_type := MEDIA_TYPES.get(PurePosixPath(entry.name).suffix)) is not None:
            found.append((path + entry.name, (media_type, entry.read_bytes())))
    return found
