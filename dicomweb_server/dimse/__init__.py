"""DIMSE <-> archive: the upper layer (PS3.8), the messages (PS3.7) and the services (PS3.4)."""
