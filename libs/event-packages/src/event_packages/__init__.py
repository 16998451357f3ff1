"""Event packages without I/O (RFC 6665)."""
