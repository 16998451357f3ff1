"""One presentity with very many watchers: how soon the first and the last are told, and what others feel of it.

    python -m bench.fanout [--watchers 10000] [--servers open,cache,locked]

Others are 100 presentities with one watcher each, 100 PUBLISHes a second in all: alone, beside a fan-out every two
seconds, and beside one fan-out after the other. Everything is on one machine, the load generators too.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.lab import noise
from bench.lab.presload import Delay, Presload, Report
from bench.lab.servers import SERVERS, Served, running

USUAL = "open,cache,locked"
OTHERS = "publish -P 100 -W 1 --rate 100 --seconds {seconds} --domain others.test"
PACED = "fanout -W {watchers} --rate 0.5 --seconds {seconds}"
WITHOUT_PAUSE = "fanout -W {watchers} --seconds {seconds}"
LONGER_SECONDS = 4.0
"""So much longer do fan-outs go on than the others beside them."""
DOCS = Path(__file__).resolve().parents[1] / "docs" / "bench"


class Fanout(msgspec.Struct, kw_only=True):
    """What was measured of one server."""

    server: str
    watchers: int
    others_alone: Report
    paced: Report
    others_beside_paced: Report
    without_pause: Report
    others_beside_all: Report
    noise: noise.Noise


def main() -> None:
    """Measure every server and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description="One presentity with many watchers.")
    parser.add_argument("--watchers", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (10)")
    parser.add_argument("--servers", default=USUAL, help=f"of {','.join(SERVERS)} ({USUAL})")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder of fanout.json (docs/bench)")
    parser.add_argument("--show", action="store_true", help="measure nothing, show what --output has")
    asked = parser.parse_args()
    path = asked.output / "fanout.json"
    asked.output.mkdir(parents=True, exist_ok=True)
    if not asked.show:
        measured = list(_measured(asked.servers.split(","), asked.watchers, asked.seconds))
        path.write_bytes(msgspec.json.encode(measured) + b"\n")
    print("\n".join(lines(msgspec.json.decode(path.read_bytes(), type=list[Fanout]))))


def _measured(servers: list[str], watchers: int, seconds: float) -> Iterator[Fanout]:
    for name in servers:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            presload = Presload(Path(folder))
            with running(SERVERS[name], Path(folder) / "server") as served:
                yield _measure(presload, served, SERVERS[name].name, watchers, seconds)


def _measure(presload: Presload, served: Served, name: str, watchers: int, seconds: float) -> Fanout:
    others = OTHERS.format(seconds=seconds)
    with noise.watched(served.pids) as beside:
        alone = presload.run(others, served.target)
        print(f"{name}: others alone", _delay(alone.latency_ms.get("publish_notify")), file=sys.stderr)
        runs = []
        for load in (PACED, WITHOUT_PAUSE):
            fanning = presload.start(
                load.format(watchers=watchers, seconds=seconds + LONGER_SECONDS),
                served.target,
                served.pids,
                "--grace",
                "30",
            )
            fanning.until_set_up()
            disturbed = presload.run(others, served.target)
            runs += [fanning.report(), disturbed]
            print(f"{name}: others beside", _delay(disturbed.latency_ms.get("publish_notify")), file=sys.stderr)
    paced, beside_paced, without_pause, beside_all = runs
    return Fanout(
        server=name,
        watchers=watchers,
        others_alone=alone,
        paced=paced,
        others_beside_paced=beside_paced,
        without_pause=without_pause,
        others_beside_all=beside_all,
        noise=beside,
    )


def lines(results: list[Fanout]) -> Iterator[str]:
    """Yield what the many feel, then what the others feel."""
    yield f"PUBLISH of one to {results[0].watchers:,} watchers, ms as median (95th percentile, most)"
    yield ""
    yield "| server | first NOTIFY | last NOTIFY | NOTIFY/s without pause | CPU µs each | verdict |"
    yield "|---|---|---|---|---|---|"
    for one in results:
        pause = one.without_pause
        cost = pause.server.cpu_us_per_notify or float("nan")
        first, last = (_delay(one.paced.latency_ms.get(name)) for name in ("fanout_first", "fanout_last"))
        verdict = _verdict(one.paced, pause)
        yield f"| {one.server} | {first} | {last} | {pause.per_second['notify']:,.0f} | {cost:.0f} | {verdict} |"
    yield ""
    yield "| PUBLISH to NOTIFY of others | alone | beside one every 2 s | beside one after the other | verdict |"
    yield "|---|---|---|---|---|"
    for one in results:
        reports = (one.others_alone, one.others_beside_paced, one.others_beside_all)
        cells = " | ".join(_delay(report.latency_ms.get("publish_notify")) for report in reports)
        yield f"| {one.server} | {cells} | {_verdict(*reports)} |"
    usual = noise.usual_calibration(one.noise for one in results)
    for one in results:
        if reasons := one.noise.reasons(usual):
            yield f"\nnoisy: {one.server}: {', '.join(reasons)}"


def _delay(delay: Delay | None) -> str:
    return f"{delay.p50:.1f} ({delay.p95:.1f}, {delay.max:.1f})" if delay else "-"


def _verdict(*reports: Report) -> str:
    return "; ".join(filter(None, (report.verdict for report in reports))) or "clean"


if __name__ == "__main__":
    main()
