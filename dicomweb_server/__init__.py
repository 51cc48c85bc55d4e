"""DICOMweb archive and reading server."""

__version__ = "0.1.0"
