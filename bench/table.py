"""Print the medians of what `compare` measured as a Markdown table."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median

RATES = {"publish": "publish", "fanout": "notify", "subscribe": "subscribe"}
COSTS = {"publish": "cpu_us_per_publish", "fanout": "cpu_us_per_notify", "subscribe": "cpu_us_per_operation"}


def main(path: str) -> None:
    """Read lines of server, load and presload's JSON; print one row for each load and server."""
    runs: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
    for line in Path(path).read_text().splitlines():
        server, load, result = line.split("\t", 2)
        runs[load, server].append(json.loads(result))
    print("| load | server | per second | CPU µs each | PUBLISH→NOTIFY p50 / p99 ms | clean runs |")
    print("|---|---|---|---|---|---|")
    loads = list(dict.fromkeys(load for load, _ in runs))
    for (load, server), results in sorted(runs.items(), key=lambda item: loads.index(item[0][0])):
        print("|", " | ".join([f"`{load}`", server, *_figures(load.split()[0], results)]), "|")


def _figures(mode: str, results: list[dict[str, object]]) -> list[str]:
    rate = _spread(results, lambda one: one["per_second"][RATES[mode]])  # type: ignore[index]
    cost = _spread(results, lambda one: one["server"][COSTS[mode]])  # type: ignore[index]
    delay = " / ".join(_delay(results, point) for point in ("p50", "p99"))
    clean = sum(bool(one["ok"]) for one in results)
    return [rate, cost, delay, f"{clean} of {len(results)}"]


def _spread(results: list[dict[str, object]], take: Callable[[dict[str, object]], float]) -> str:
    """Return median, least and most."""
    values = sorted(take(one) for one in results)
    return f"{median(values):,.0f} ({values[0]:,.0f} to {values[-1]:,.0f})"


def _delay(results: list[dict[str, object]], point: str) -> str:
    values = [one["latency_ms"].get("publish_notify", {}).get(point) for one in results]  # type: ignore[attr-defined]
    known = [value for value in values if value is not None]
    return f"{median(known):.1f}" if known else "-"


if __name__ == "__main__":
    main(sys.argv[1])
