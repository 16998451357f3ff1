import pytest

from lamplighter_runtime.metrics import Registry


def test_counter_with_labels_counts_each_child_apart() -> None:
    registry = Registry()
    counter = registry.counter("presence_sample_publishes_total", "PUBLISH decisions.", ["status"])

    counter.labels("200").inc(3)
    counter.labels(status="412").inc()

    assert registry.value("presence_sample_publishes_total", {"status": "200"}) == 3
    assert registry.value("presence_sample_publishes_total", {"status": "412"}) == 1


def test_metric_without_labels_is_its_own_child() -> None:
    registry = Registry()
    counter = registry.counter("presence_sample_frames_total", "Frames.")
    gauge = registry.gauge("presence_sample_dialogs", "Dialogs.")
    histogram = registry.histogram("presence_sample_commit_seconds", "Commits.")

    counter.labels().inc()
    counter.inc()
    gauge.labels().set(4)
    histogram.labels().observe(0.003)

    assert registry.value("presence_sample_frames_total") == 2
    assert registry.value("presence_sample_dialogs") == 4
    assert registry.value("presence_sample_commit_seconds_count") == 1


def test_counter_from_a_function_is_read_when_it_is_asked_for() -> None:
    registry = Registry()
    counts = [0]
    registry.counter_from("presence_sample_datagrams_total", "Datagrams.", lambda: counts[0])

    counts[0] = 5

    assert registry.value("presence_sample_datagrams_total") == 5
    assert b"# TYPE presence_sample_datagrams_total counter\npresence_sample_datagrams_total 5.0" in registry.render()


def test_histogram_with_buckets_of_its_own_uses_them() -> None:
    registry = Registry()
    histogram = registry.histogram("presence_sample_rows", "Rows per commit.", buckets=(1, 8, 64))

    histogram.observe(5)

    assert registry.value("presence_sample_rows_bucket", {"le": "8.0"}) == 1
    assert registry.value("presence_sample_rows_bucket", {"le": "1.0"}) == 0


def test_metric_name_given_twice_is_an_error() -> None:
    registry = Registry()
    registry.counter("presence_sample_total", "Samples.")

    with pytest.raises(ValueError, match="presence_sample"):
        registry.counter("presence_sample_total", "Samples.")


def test_registries_of_two_services_in_one_process_are_apart() -> None:
    one, other = Registry(), Registry()
    one.counter("presence_sample_total", "Samples.").inc()
    other.counter("presence_sample_total", "Samples.")

    assert (one.value("presence_sample_total"), other.value("presence_sample_total")) == (1, 0)


def test_registry_tells_of_the_process_and_the_interpreter() -> None:
    text = Registry().render().decode()

    assert "process_cpu_seconds_total" in text
    assert "python_info" in text
    assert "_created" not in text
