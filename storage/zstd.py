"""One zstd frame of some bytes, and back: what the index and small contents are kept as."""

import threading

import zstandard

_SMALL_BYTES = 64 * 1024


class _Compressors(threading.local):
    """Kept by each thread for small contents, for which making one takes longer than using it."""

    def __init__(self) -> None:
        self.by_level: dict[int, zstandard.ZstdCompressor] = {}


_of_this_thread = _Compressors()


def compressed(content: bytes, *, level: int = 3) -> bytes:
    """One zstd frame that says its length; these levels' windows stay far below 2^23."""
    if len(content) > _SMALL_BYTES:
        return zstandard.ZstdCompressor(level=level).compress(content)
    compressor = _of_this_thread.by_level.get(level)
    if compressor is None:
        compressor = _of_this_thread.by_level[level] = zstandard.ZstdCompressor(level=level)
    return compressor.compress(content)


def expanded(frame: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(frame)
