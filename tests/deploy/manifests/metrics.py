"""Whether what scaling and alarms ask Prometheus for is counted by anybody."""

import asyncio
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import cast

from fastapi import Response
from fastapi.routing import APIRoute

from presence_core.service import PresenceCore
from sip_edge.edge import Edge
from sip_edge.metrics import PREFIX, Counts, EdgeCollector

from .documents import Manifests, at, items
from .services import BUILD

_METRIC = re.compile(r"\b(?:presence|process)_[a-z_]+")
_HELP = re.compile(r"# HELP (\S+)")
_PARTS = ("_bucket", "_sum", "_count")


@cache
def counted() -> frozenset[str]:
    """Return the names of all metrics of all services."""
    found = {"presence_xcap_sync_wanted_users"}
    for build in BUILD.values():
        app = build({"HOSTNAME": "any"}).app
        (route,) = [one for one in app.routes if isinstance(one, APIRoute) and one.path == "/metrics"]
        found |= set(_HELP.findall(_told(route)))
    for family in EdgeCollector(Counts(), {}).collect():
        found.add(f"{family.name}_total" if family.type == "counter" else family.name)
    # What is registered only when a service runs.
    found |= {f"{PREFIX}_{name}" for name in Edge.sizes(cast(Edge, None))}
    gauges = inspect.getsource(PresenceCore._gauges)
    found |= {f"presence_core_{name}" for name in re.findall(r'"(\w+)": lambda', gauges)}
    return frozenset(found | set(re.findall(r'"(presence_core_\w+)"', gauges)))


def _told(route: APIRoute) -> str:
    async def ask() -> str:
        response = await route.endpoint()
        assert isinstance(response, Response)
        return bytes(response.body).decode()

    return asyncio.run(ask())


def unknown(query: str) -> list[str]:
    """Return the metrics of a query that nobody counts."""
    return [name for name in _METRIC.findall(query) if not {name, *_whole(name)} & counted()]


def _whole(name: str) -> Iterator[str]:
    return (name.removesuffix(part) for part in _PARTS if name.endswith(part))


def check_metrics(manifests: Manifests) -> Iterator[str]:
    """Say what is asked for in vain."""
    for scaled in manifests.of_kind("ScaledObject"):
        for trigger in items(scaled.at("spec.triggers")):
            yield from (f"{scaled}: nobody counts {name}" for name in unknown(str(at(trigger, "metadata.query"))))
    for rules in manifests.of_kind("PrometheusRule"):
        for group in items(rules.at("spec.groups")):
            for rule in items(group.get("rules")):
                missing = unknown(str(rule["expr"]))
                yield from (f"{rules}: {rule['alert']}: nobody counts {name}" for name in missing)
