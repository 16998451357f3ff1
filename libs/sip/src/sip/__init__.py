"""SIP without I/O (RFC 3261)."""
