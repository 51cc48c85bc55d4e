"""The relational database: what persons do and write, as rows."""
