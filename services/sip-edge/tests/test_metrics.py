from lamplighter_runtime.metrics import Registry
from sip_edge.metrics import Counts, Durations, register


def test_metrics_are_read_from_the_counts_when_asked() -> None:
    registry, counts = Registry(), Counts()
    register(registry, counts, {"pending_requests": lambda: 7})

    counts.request("PUBLISH")
    counts.request("X" * 1000)
    counts.responses[200] += 2

    assert registry.value("presence_sip_edge_requests_total", {"method": "PUBLISH"}) == 1
    assert registry.value("presence_sip_edge_requests_total", {"method": "other"}) == 1
    assert registry.value("presence_sip_edge_responses_total", {"status": "200"}) == 2
    assert registry.value("presence_sip_edge_pending_requests") == 7


def test_durations_are_counted_in_every_bucket_above_them() -> None:
    durations = Durations((0.1, 1.0))

    for seconds in (0.05, 0.1, 0.5, 2.0):
        durations.observe(seconds)

    samples = {
        (sample.name, sample.labels.get("le")): sample.value for sample in durations.family("x_seconds", "x").samples
    }
    assert samples[("x_seconds_bucket", "0.1")] == 2
    assert samples[("x_seconds_bucket", "1.0")] == 3
    assert samples[("x_seconds_bucket", "+Inf")] == samples[("x_seconds_count", None)] == 4
    assert samples[("x_seconds_sum", None)] == 2.65
