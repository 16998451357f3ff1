"""What a service counts, in a Prometheus registry of its own: nothing is registered at import.

Rule 1: names are `presence_<service>_<what>_<unit or total>`; labels have few values, never user data.
Rule 2: on the hot path keep a child (`counter.labels("x")`) and add once per batch, or count in a plain attribute
and let `counter_from` read it.
"""

from collections.abc import Callable, Iterable, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bucket bounds for durations of the SIP path."""


class Counter(prometheus_client.Counter):
    """A Prometheus counter; `labels()` of one without labels is itself."""

    def labels(self, *values: object, **named: object) -> "Counter":
        """Return the child to keep and to increment."""
        return super().labels(*values, **named) if values or named else self


class Gauge(prometheus_client.Gauge):
    """A Prometheus gauge; `labels()` of one without labels is itself."""

    def labels(self, *values: object, **named: object) -> "Gauge":
        """Return the child to keep and to set."""
        return super().labels(*values, **named) if values or named else self


class Histogram(prometheus_client.Histogram):
    """A Prometheus histogram; `labels()` of one without labels is itself."""

    def labels(self, *values: object, **named: object) -> "Histogram":
        """Return the child to keep and to observe with."""
        return super().labels(*values, **named) if values or named else self


class _Reader(Collector):
    """Reads a number when Prometheus asks."""

    def __init__(self, name: str, help: str, read: Callable[[], float]) -> None:
        self._name = name
        self._help = help
        self._read = read

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(self._name, self._help, value=self._read())


class Registry:
    """Metrics of one service, those of its process and interpreter included."""

    def __init__(self) -> None:
        # One `_created` sample more for each counter would double what an operator stores.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.collectors = CollectorRegistry()
        ProcessCollector(registry=self.collectors)
        PlatformCollector(registry=self.collectors)
        GCCollector(registry=self.collectors)

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Return a new counter; its name ends in `_total`."""
        return Counter(name, help, labels, registry=self.collectors)

    def counter_from(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Add a counter whose value `read()` returns whenever it is asked for."""
        self.collectors.register(_Reader(name, help, read))

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a new gauge; `set_function` makes it read its value when it is asked for."""
        return Gauge(name, help, labels, registry=self.collectors)

    def histogram(
        self, name: str, help: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """Return a new histogram; its name ends in its unit."""
        return Histogram(name, help, labels, registry=self.collectors, buckets=buckets)

    def value(self, name: str, labels: dict[str, str] | None = None) -> float:
        """Return the value of a sample, 0 for one that is not there."""
        return self.collectors.get_sample_value(name, labels) or 0.0

    def render(self) -> bytes:
        """Return everything in the Prometheus text format, whose type is CONTENT_TYPE."""
        return prometheus_client.generate_latest(self.collectors)
