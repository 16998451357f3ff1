"""What a service counts, in a Prometheus registry of its own: nothing is registered at import.

Rule 1: names are `presence_<service>_<what>_<unit or total>`; labels have few values, never user data.
Rule 2: on the hot path keep a child (`counter.labels("x")`), or count in a plain attribute and let `counter_from` read
it.
"""

from collections.abc import Callable, Iterable, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bucket bounds for durations of the SIP path."""


class Counter(Collector):
    """A counter that one thread adds to, at the cost of an addition: Prometheus' own takes a lock each time."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.value = 0.0
        self._name, self._help, self._labels = name, help, tuple(labels)
        self._children: dict[tuple[str, ...], Counter] = {}

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        self.value += amount

    def labels(self, *values: object, **named: object) -> "Counter":
        """Return the child to keep and to increment; that of a counter without labels is itself."""
        if not self._labels:
            return self
        key = tuple(str(value) for value in values or [named[label] for label in self._labels])
        return self._children.setdefault(key, Counter(self._name, self._help))

    def describe(self) -> Iterable[Metric]:
        """Yield the name, so that no other has it."""
        yield CounterMetricFamily(self._name, self._help, labels=self._labels)

    def collect(self) -> Iterable[Metric]:
        """Yield the values."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        children = self._children if self._labels else {(): self}
        for values, child in children.items():
            family.add_metric(values, child.value)
        yield family


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
        counter = Counter(name, help, labels)
        self.collectors.register(counter)
        return counter

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
