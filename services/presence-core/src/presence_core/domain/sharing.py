"""Equal text kept once: most of what a subscription's dialog says, another says too, and there are many of them.

Rule 1: what is nobody else's (Call-ID, tags) is left alone: to look it up costs more than it saves.
"""

from functools import lru_cache
from sys import intern

from event_packages.base import View
from lamplighter_proto import DialogRoute, Flow


def shared_flow(flow: Flow) -> Flow:
    """Return an equal flow whose texts are shared."""
    return Flow(
        edge=intern(flow.edge),
        transport=intern(flow.transport),
        local=intern(flow.local),
        remote=intern(flow.remote),
        connection=flow.connection,
    )


def shared_route(route: DialogRoute) -> DialogRoute:
    """Return an equal route whose texts are shared."""
    return DialogRoute(
        remote_target=intern(route.remote_target),
        route_set=shared_texts(route.route_set),
        contact=intern(route.contact),
    )


@lru_cache(maxsize=1024)
def shared_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return an equal tuple that others have, too."""
    return texts


@lru_cache(maxsize=1024)
def shared_view(view: View) -> View:
    """Return an equal view that others have, too: to compare permissions costs more than to know them again."""
    return view


def shared_accept(accept: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return equal media ranges that others have, too."""
    return None if accept is None else shared_texts(accept)
