"""Bytes, keys and transactions: where an archive's blobs and index live."""
