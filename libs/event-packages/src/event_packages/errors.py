"""Refusals: what is wrong with an event request, each with the answer that it gets.

Rejection
├── BadRequest                 400  body or header that cannot be used
├── Forbidden                  403  not allowed, or over a limit
├── NotFound                   404  no such presentity here
├── NotAcceptable              406  no media type that the watcher takes (RFC 6665 §3.1.3)
├── ConditionalRequestFailed   412  no live publication with that entity-tag (RFC 3903 §6 step 3)
├── RequestEntityTooLarge      413  body over the limit
├── UnsupportedMediaType       415  body of another type (RFC 3903 §6 step 5)
├── IntervalTooBrief           423  lifetime under our minimum (RFC 3903 §6 step 4, RFC 6665 §4.2.1.1)
├── NoSuchDialog               481  no such subscription (RFC 6665 §4.2.1)
├── BadEvent                   489  event package that we do not know (RFC 6665 §4.2.1, RFC 3903 §6 step 1)
├── StaleCSeq                  500  request older than the one before (RFC 3261 §12.2.2)
└── ServiceUnavailable         503  not now
"""

from collections.abc import Sequence

Headers = tuple[tuple[str, str], ...]


class Rejection(Exception):
    """A request is refused; `status`, `reason` and `headers()` are the answer."""

    status = 500
    reason = "Server Internal Error"

    def __init__(self, why: str = "") -> None:
        super().__init__(why or self.reason)
        self.why = why

    def headers(self) -> Headers:
        """Return the headers that the answer needs."""
        return (("Warning", f"399 lamplighter {_quoted(self.why)}"),) if self.why else ()


class BadRequest(Rejection):
    """The body or a header cannot be used."""

    status = 400
    reason = "Bad Request"


class Forbidden(Rejection):
    """It is not allowed, or over a limit."""

    status = 403
    reason = "Forbidden"


class NotFound(Rejection):
    """There is no such presentity here."""

    status = 404
    reason = "Not Found"


class NotAcceptable(Rejection):
    """The watcher takes none of the package's media types (RFC 6665 §3.1.3)."""

    status = 406
    reason = "Not Acceptable"


class ConditionalRequestFailed(Rejection):
    """SIP-If-Match names no live publication (RFC 3903 §6 step 3)."""

    status = 412
    reason = "Conditional Request Failed"


class RequestEntityTooLarge(Rejection):
    """The body is over the limit."""

    status = 413
    reason = "Request Entity Too Large"


class UnsupportedMediaType(Rejection):
    """The body is of another type than the package's (RFC 3903 §6 step 5)."""

    status = 415
    reason = "Unsupported Media Type"

    def __init__(self, accept: Sequence[str]) -> None:
        super().__init__()
        self.accept = tuple(accept)

    def headers(self) -> Headers:
        """Return the types that are taken."""
        return (("Accept", ", ".join(self.accept)),)


class IntervalTooBrief(Rejection):
    """The lifetime is under our minimum of `least` seconds (RFC 3903 §6 step 4)."""

    status = 423
    reason = "Interval Too Brief"

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least = least

    def headers(self) -> Headers:
        """Return the minimum."""
        return (("Min-Expires", str(self.least)),)


class NoSuchDialog(Rejection):
    """There is no such subscription (RFC 6665 §4.2.1)."""

    status = 481
    reason = "Subscription does not exist"


class BadEvent(Rejection):
    """We do not know the event package (RFC 6665 §4.2.1)."""

    status = 489
    reason = "Bad Event"

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self.known = tuple(known)

    def headers(self) -> Headers:
        """Return the packages that are known."""
        return (("Allow-Events", ", ".join(self.known)),)


class _Later(Rejection):
    """Something that may go well after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.seconds = seconds

    def headers(self) -> Headers:
        """Return when to come again."""
        return (("Retry-After", str(self.seconds)),)


class StaleCSeq(_Later):
    """The request is older than the one before it in its dialog (RFC 3261 §12.2.2)."""

    status = 500
    reason = "Server Internal Error"


class ServiceUnavailable(_Later):
    """We cannot do it now."""

    status = 503
    reason = "Service Unavailable"


def _quoted(text: str) -> str:
    """Return text as a quoted-string on one line (RFC 3261 §25.1)."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
