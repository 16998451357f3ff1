"""SIP without I/O (RFC 3261): messages, URIs, framing, transactions, dialogs. Bytes and time are arguments."""
