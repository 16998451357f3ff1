"""What the edge refuses by itself (RFC 3261 §8.2, §21.4).

Refusal 500
├── BadRequest 400
├── NotFound 404
├── MethodNotAllowed 405
├── UnsupportedUriScheme 416
├── BadExtension 420
├── CallDoesNotExist 481
├── MergedRequest 482
├── TooManyHops 483
└── ServiceUnavailable 503
"""

from collections.abc import Iterable

Headers = tuple[tuple[str, str], ...]


class Refusal(Exception):
    """A request that gets no further; the class says with which status, 500 when the fault is ours."""

    status = 500
    reason = "Server Internal Error"

    def headers(self) -> Headers:
        """Return header fields that the response needs beside the usual ones."""
        return ()


class BadRequest(Refusal):
    """A header field cannot be read or is missing; the text becomes the reason phrase (RFC 3261 §21.4.1)."""

    status = 400

    def __init__(self, reason: str = "Bad Request") -> None:
        super().__init__(reason)
        self.reason = reason


class NotFound(Refusal):
    """The Request-URI names a domain that is not served here (RFC 3261 §8.2.2.1)."""

    status = 404
    reason = "Not Found"


class MethodNotAllowed(Refusal):
    """The method is none of ours (RFC 3261 §8.2.1)."""

    status = 405
    reason = "Method Not Allowed"

    def __init__(self, allow: str) -> None:
        super().__init__(allow)
        self.allow = allow

    def headers(self) -> Headers:
        """Return Allow."""
        return (("Allow", self.allow),)


class UnsupportedUriScheme(Refusal):
    """The Request-URI is neither sip, sips nor tel (RFC 3261 §8.2.2.1)."""

    status = 416
    reason = "Unsupported URI Scheme"


class BadExtension(Refusal):
    """The request requires an extension that we do not have (RFC 3261 §8.2.2.3)."""

    status = 420
    reason = "Bad Extension"

    def __init__(self, unsupported: Iterable[str]) -> None:
        super().__init__()
        self.unsupported = ", ".join(unsupported)

    def headers(self) -> Headers:
        """Return Unsupported."""
        return (("Unsupported", self.unsupported),)


class CallDoesNotExist(Refusal):
    """A CANCEL finds nothing to cancel: none of our transactions waits for people (RFC 3261 §9.2)."""

    status = 481
    reason = "Call/Transaction Does Not Exist"


class MergedRequest(Refusal):
    """The same request came by another path before (RFC 3261 §8.2.2.2)."""

    status = 482
    reason = "Loop Detected"


class TooManyHops(Refusal):
    """Max-Forwards has come to 0 (RFC 3261 §21.4.21)."""

    status = 483
    reason = "Too Many Hops"


class ServiceUnavailable(Refusal):
    """Nobody can decide just now (RFC 3261 §21.5.4); `retry_after` is in seconds."""

    status = 503
    reason = "Service Unavailable"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after

    def headers(self) -> Headers:
        """Return Retry-After."""
        return (("Retry-After", str(self.retry_after)),)
