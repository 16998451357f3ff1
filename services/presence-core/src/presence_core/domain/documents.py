"""XCAP documents of a presentity, as the table `xcap` holds them (RFC 4825)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class XcapDocument:
    """One document. `usage` is the application unique id, such as `pres-rules`."""

    usage: str
    uri: str
    """`xcap.doc_uri`, in the spelling of whoever wrote the row."""
    etag: str
    body: bytes
