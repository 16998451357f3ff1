"""The SIP edge: sockets, flows, transactions."""
