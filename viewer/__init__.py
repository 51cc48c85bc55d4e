"""The pages that the browser gets: files of this package, without a build."""

from importlib.resources import files
from pathlib import PurePosixPath

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def pages() -> dict[str, tuple[str, bytes]]:
    """Every file by name: its media type and its bytes."""
    found: dict[str, tuple[str, bytes]] = {}
    for file in files(__name__).joinpath("pages").iterdir():
        media_type = MEDIA_TYPES.get(PurePosixPath(file.name).suffix)
        if media_type is not None:
            found[file.name] = (media_type, file.read_bytes())
    return found
