"""The contract suites: each engine inherits every promise as a test."""
