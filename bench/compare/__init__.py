"""Lamplighter and Kamailio in turn on this machine, by the same loads: `python -m bench.compare --help`."""
