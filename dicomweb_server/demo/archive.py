"""All files of the demonstration archive, one after the other."""

from collections.abc import Iterator

from dicomweb_server.demo.ct import ct_files


def demo_files() -> Iterator[tuple[str, bytes]]:
    """Relative names and Part 10 files, the same on every call, made as they are asked for."""
    yield from ct_files()
