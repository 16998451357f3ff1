"""Times of validity conditions: xs:dateTime (XML Schema Part 2 §3.2.7) as epoch seconds."""

import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(?:Z|([+-])([0-9]{2}):([0-5][0-9]))?"
)
_LAST_HOUR_OF_ZONES = 14


def epoch_of(text: str) -> float | None:
    """Return epoch seconds; None for what is no xs:dateTime. A time without a zone is one of UTC."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, offset = float(match[7] or 0), _offset(match)
    midnight = (hour, minute, second, fraction) == (24, 0, 0, 0.0)
    try:
        whole = datetime(year, month, day, 0 if midnight else hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return None if offset is None else whole + (86400 if midnight else 0) + fraction - offset


def _offset(match: re.Match[str]) -> int | None:
    """Return how many seconds a zone is before UTC; None for one that does not exist."""
    if match[8] is None:
        return 0
    seconds = int(match[9]) * 3600 + int(match[10]) * 60
    if seconds > _LAST_HOUR_OF_ZONES * 3600:
        return None
    return -seconds if match[8] == "-" else seconds
