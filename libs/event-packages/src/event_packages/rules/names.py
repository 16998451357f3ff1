"""Namespaces and words of rule documents and resource lists (RFC 4745, RFC 5025, RFC 4826, OMA's schemas)."""

COMMON_POLICY = "{urn:ietf:params:xml:ns:common-policy}"
PRES_RULES = "{urn:ietf:params:xml:ns:pres-rules}"
RESOURCE_LISTS = "{urn:ietf:params:xml:ns:resource-lists}"
OMA_COMMON_POLICY = "{urn:oma:xml:xdm:common-policy}"
OMA_PRES_RULES = "{urn:oma:xml:prs:pres-rules}"

ATTRIBUTES = (
    "activities",
    "class",
    "deviceID",
    "mood",
    "place-is",
    "place-type",
    "privacy",
    "relationship",
    "status-icon",
    "sphere",
    "time-offset",
    "note",
)
"""What has a boolean `provide-` element (RFC 5025 §3.3.2)."""
OMA_ATTRIBUTES = (
    "willingness",
    "network-availability",
    "session-participation",
    "registration-state",
    "barring-state",
)
"""The same for OMA's attributes; `geopriv` has words of its own."""
