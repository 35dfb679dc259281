"""Bytes and text <-> messages, one file per protocol. Pure: no sockets, no clock."""
