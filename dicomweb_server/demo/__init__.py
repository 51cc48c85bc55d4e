"""A demonstration archive made from nothing: phantoms drawn with numpy, the same every time."""

from dicomweb_server.demo.archive import demo_files

__all__ = ["demo_files"]
