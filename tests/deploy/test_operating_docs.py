"""What the pages for operators say is so."""

import re
from collections.abc import Iterator
from math import ceil

import pytest

from .faults import ON_HOST, rendered
from .manifests.documents import items
from .manifests.metrics import counted, unknown
from .manifests.rendering import FOLDER, ROOT
from .manifests.services import SETTINGS

PAGES = ROOT / "docs" / "operating"
OURS = ("README", "kubernetes", "sizing", "upgrade", "backup", "alarms")


def page(name: str) -> str:
    """Return a page."""
    return (PAGES / f"{name}.md").read_text()


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row of every table."""
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("|--"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def number(text: str) -> float:
    """Return a number that is written with commas and a unit."""
    return float(text.replace(",", "").split()[0])


def test_alarms_are_those_of_the_rules() -> None:
    (rules,) = rendered(ON_HOST).of_kind("PrometheusRule")
    known = {str(rule["alert"]) for group in items(rules.at("spec.groups")) for rule in items(group["rules"])}

    told = set(re.findall(r"^\| `(Lamplighter\w+)`", page("alarms"), re.M))

    assert told == known


def test_severities_are_those_of_the_rules() -> None:
    text = (FOLDER / "components/service-monitor/alarms.yaml").read_text()

    for cells in rows(page("alarms")):
        if cells[0].startswith("`Lamplighter"):
            rule = text.partition(f"alert: {cells[0].strip('`')}\n")[2].partition("- alert:")[0]
            assert f"severity: {cells[1]}" in rule


@pytest.mark.parametrize("name", OURS)
def test_metrics_that_are_named_are_counted(name: str) -> None:
    assert unknown(page(name)) == []


def test_metric_that_nobody_counts_is_told() -> None:
    assert unknown("rate(presence_sip_edge_request_total[5m])") == ["presence_sip_edge_request_total"]
    assert unknown("rate(presence_sip_edge_answer_seconds_bucket[5m])") == []
    assert len(counted()) > 40


@pytest.mark.parametrize("name", OURS)
def test_settings_that_are_named_exist(name: str) -> None:
    known = {variable for settings in SETTINGS.values() for variable, _ in settings.variables()}

    named = set(re.findall(r"`?((?:SIP_EDGE|PRESENCE_CORE|NOTIFIER|XCAP_SYNC)_[A-Z_]+)", page(name)))

    assert named <= known


@pytest.mark.parametrize("name", OURS)
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page(name)):
        assert (PAGES / target).exists(), target


@pytest.mark.parametrize("name", ["kubernetes", "upgrade", "alarms"])
def test_folders_that_are_named_exist(name: str) -> None:
    for target in re.findall(r"deploy/k8s/[\w./-]+", page(name)):
        assert (ROOT / target).exists() or target.endswith("/mine"), target


def test_replicas_are_the_sum_of_the_measured_costs() -> None:
    text = page("sizing")
    names = ("PUBLISH", "NOTIFY that it causes", "refreshed subscription")
    costs = [next(cells[1:] for cells in rows(text) if name in cells[0]) for name in names]
    publish, notify, refresh = ([float(cell) for cell in cells] for cells in costs)

    def cpus(phones: float, which: int) -> float:
        hour = 10 * (publish[which] + 10 * notify[which]) + publish[which] + 10 * refresh[which]
        return phones * 5 * hour / 3.6e9

    sized = [cells for cells in rows(text) if len(cells) == 9 and cells[0][0].isdigit()]
    assert len(sized) == 5
    for cells in sized:
        phones = number(cells[0])
        by_cpu = [ceil(cpus(phones, which) / 0.6) for which in range(3)]
        by_memory = ceil(phones * 10 / 450_000)
        assert number(cells[1]) == phones * 10
        assert number(cells[2]) == pytest.approx(cpus(phones, 0), abs=0.006)
        assert number(cells[3]) == pytest.approx(phones * 10 * 1646 / 1e9, abs=0.006)
        assert [number(cell) for cell in cells[4:7]] == [
            max(3, 1 + max(by_cpu[0], by_memory)),
            max(2, 1 + by_cpu[1]),
            max(2, 1 + by_cpu[2]),
        ]
        assert number(cells[7]) == pytest.approx(cpus(phones, 3), abs=0.006)
        assert number(cells[8]) == pytest.approx(cpus(phones, 4), abs=0.006)


def test_memory_of_a_core_is_as_the_page_says() -> None:
    (core,) = [pod for pod in rendered(ON_HOST).pods if pod.workload.name == "presence-core"]

    assert core.containers[0]["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert pytest.approx(0.75 * 2**30, rel=0.01) == 450_000 * 1646 + 64e6
