"""All files of the demonstration archive, one after the other."""

from collections.abc import Iterator

from dicomweb_server.demo.chest import chest_files
from dicomweb_server.demo.ct import ct_files
from dicomweb_server.demo.head import head_files
from dicomweb_server.demo.heart import heart_files
from dicomweb_server.demo.letter import letter_files


def demo_files() -> Iterator[tuple[str, bytes]]:
    """Relative names and Part 10 files, the same on every call, made as they are asked for."""
    yield from ct_files()
    yield from letter_files()
    yield from head_files()
    yield from heart_files()
    yield from chest_files()
