"""Every subject of the bus; nothing else builds one.

An instance name is a subject token: letters, digits, `-` and `_`. User data never is.
Commands go to the owner of their shard by name, so that one frame serves all shards of a core (ADR 0003).
"""

import re

PREFIX = "presence.v1"
NOTIFY = f"{PREFIX}.notifier.notify"
NOTIFIERS = "notifiers"
"""Queue group in which the notifiers share `NOTIFY`."""
XCAP = f"{PREFIX}.xcap.command"
"""Documents that cores want and hints that documents changed: every xcap-sync hears them all."""

_INSTANCE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_instance(name: str) -> str:
    """Return `name` if it may be an instance's name; ValueError otherwise."""
    if not _INSTANCE.fullmatch(name):
        raise ValueError(f"not an instance name (letters, digits, - and _): {name!r}")
    return name


def core_commands(core: str) -> str:
    """Commands for the shards that a core owns."""
    return f"{PREFIX}.core.command.{core}"


def core_outcomes(core: str) -> str:
    """Outcomes of the NOTIFYs that a core asked for."""
    return f"{PREFIX}.core.outcome.{core}"


def core_refreshes(core: str) -> str:
    """Word that XCAP documents of presentities of a core have changed."""
    return f"{PREFIX}.core.refresh.{core}"


def xcap_replies(xcap_sync: str) -> str:
    """Confirmations of the refreshes that an xcap-sync sent."""
    return f"{PREFIX}.xcap.reply.{xcap_sync}"


def edge_replies(edge: str) -> str:
    """Answers to the commands of an edge."""
    return f"{PREFIX}.edge.reply.{edge}"


def edge_sends(edge: str) -> str:
    """Bytes for the flows of an edge."""
    return f"{PREFIX}.edge.send.{edge}"


def notifier_responses(notifier: str) -> str:
    """SIP responses to the NOTIFYs of a notifier."""
    return f"{PREFIX}.notifier.response.{notifier}"
