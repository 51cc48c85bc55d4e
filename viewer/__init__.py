"""DICOMweb archive and reading server."""
