"""What sip-edge counts: plain numbers on the hot path, read when Prometheus asks."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from lamplighter_runtime.metrics import SECONDS, Registry

PREFIX = "presence_sip_edge"
METHODS = frozenset({"PUBLISH", "SUBSCRIBE", "REGISTER", "OPTIONS", "CANCEL", "ACK", "NOTIFY", "INVITE", "MESSAGE"})


class Durations:
    """A histogram of seconds that costs one look-up per observation."""

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, help: str) -> HistogramMetricFamily:
        """Return the cumulative buckets and the sum."""
        buckets, total = [], 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return HistogramMetricFamily(name, help, buckets=buckets, sum_value=self._sum)


class Counts:
    """Numbers that the parts of the edge increment."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.responses: Counter[int] = Counter()
        self.drops: Counter[str] = Counter()
        self.notifies: Counter[str] = Counter()
        self.retransmissions = 0
        self.repeats = 0
        self.late_answers = 0
        self.crowded = 0
        self.over_rate: Counter[str] = Counter()
        self.notify_responses: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.answer_seconds = Durations()

    def request(self, method: str) -> None:
        """Count a request; methods that nobody has heard of share one label."""
        self.requests[method if method in METHODS else "other"] += 1


class EdgeCollector(Collector):
    """Hands the counts and the present sizes of tables to Prometheus."""

    def __init__(self, counts: Counts, sizes: Mapping[str, Callable[[], int]]) -> None:
        self._counts = counts
        self._sizes = sizes

    def collect(self) -> Iterable[Metric]:
        """Yield one family per name."""
        counts = self._counts
        yield _labelled("requests", "Requests received, retransmissions left out.", "method", counts.requests)
        yield _labelled("responses", "Responses sent, retransmissions left out.", "status", counts.responses)
        yield _labelled("drops", "Messages dropped without an answer.", "reason", counts.drops)
        yield _labelled("notifies", "NOTIFYs put on a flow or not.", "result", counts.notifies)
        yield _labelled("notify_responses", "Responses to NOTIFYs by class.", "class", counts.notify_responses)
        yield _labelled("tcp_closed", "TCP connections that we closed.", "reason", counts.closed)
        yield _labelled("over_rate", "Messages over the rate of their source.", "result", counts.over_rate)
        yield _plain("crowded", "Requests refused: too many of their presentity, watcher or core wait.", counts.crowded)
        yield _plain("retransmissions", "Requests recognised as retransmissions.", counts.retransmissions)
        yield _plain("command_repeats", "Commands sent to a core again.", counts.repeats)
        yield _plain("late_answers", "Answers of a core that nobody waited for.", counts.late_answers)
        yield counts.answer_seconds.family(f"{PREFIX}_answer_seconds", "From a request to the answer of the core.")
        for name, size in self._sizes.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", f"{name.replace('_', ' ').capitalize()} at present.", size())


def _labelled(name: str, help: str, label: str, counter: Mapping[str, int] | Mapping[int, int]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", help, labels=[label])
    for value, count in counter.items():
        family.add_metric([str(value)], count)
    return family


def _plain(name: str, help: str, value: int) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", help, value=value)


def register(registry: Registry, counts: Counts, sizes: Mapping[str, Callable[[], int]]) -> None:
    """Add the edge's metrics to its registry."""
    registry.collectors.register(EdgeCollector(counts, sizes))
