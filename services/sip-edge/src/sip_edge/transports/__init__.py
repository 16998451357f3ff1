"""Sockets: datagrams and streams in, datagrams and streams out."""
