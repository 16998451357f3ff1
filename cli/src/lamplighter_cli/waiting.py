"""What `watch` and `publish` share: lifetimes, tries, signals. Times in seconds."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lamplighter_cli.errors import Refused
from sip.fields import parse_delta_seconds
from sip.message import Response

LONGEST_RETRY = 30.0
_TEMPORARY = (408, 480, 500, 502, 503, 504)


class Retry:
    """Delays between tries that fail, doubling; a success begins anew."""

    def __init__(self) -> None:
        self._following = 1.0

    def reset(self) -> None:
        """Note a success."""
        self._following = 1.0

    def failed(self) -> float:
        """Return how long to wait after one more failure."""
        delay = self._following
        self._following = min(2 * delay, LONGEST_RETRY)
        return delay

    def refused(self, response: Response) -> float:
        """Return how long to wait after a refusal; raise Refused when another try is useless."""
        if response.status not in _TEMPORARY:
            raise Refused(f"refused: {response.status} {response.reason}")
        return max(self.failed(), float(seconds(response, "Retry-After") or 0))


def seconds(response: Response, header: str) -> int | None:
    """Return a header's seconds, None without."""
    value = response.headers.get(header)
    # A comment or parameters may follow Retry-After (RFC 3261 §20.33).
    return parse_delta_seconds(value.split(";")[0].split("(")[0].strip()) if value else None


def refresh_after(expires: int) -> float:
    """Return when to refresh what lives so long: when nine tenths are over."""
    return max(1.0, 0.9 * expires)


@contextmanager
def stopped_by_signal() -> Iterator[asyncio.Event]:
    """Give an event that the first SIGINT or SIGTERM sets; the second has its usual effect."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def forget() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    def on_signal() -> None:
        stop.set()
        forget()

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        forget()


async def sleep_unless(delay: float, *events: asyncio.Event) -> None:
    """Wait so long, or until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
