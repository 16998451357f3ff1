"""What the servers are given to do."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from bench.lab.presload import Counters, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A load, and which of presload's figures tell how well it went."""

    title: str
    command: str
    """With {seconds}, and {half} for half the rate at which SATURATION ran on this server in this round."""
    rate: str = "publish"
    delay: str = "publish_notify"
    further: tuple[str, ...] = ("publish_200",)

    def per_second(self, report: Report) -> float:
        """Return operations per second."""
        return report.per_second.get(self.rate, 0.0)

    def essence(self, report: Report) -> Report:
        """Return a report without what is of no use here."""
        return msgspec.structs.replace(
            report,
            latency_ms={name: report.latency_ms[name] for name in self._delays() if name in report.latency_ms},
            per_second={name: rate for name, rate in report.per_second.items() if rate},
            setup=Counters(),
        )

    def _delays(self) -> tuple[str, ...]:
        return self.delay, *self.further

    def cost(self, report: Report) -> float:
        """Return CPU microseconds of all server processes per operation; NaN when there was none."""
        figures = {
            "publish": report.server.cpu_us_per_publish,
            "notify": report.server.cpu_us_per_notify,
            "subscribe": report.server.cpu_us_per_operation,
        }
        return figures[self.rate] or float("nan")


SATURATION = "publish"
LOADS: Mapping[str, Load] = {
    SATURATION: Load(
        title="PUBLISH, 1 watcher, 32 in flight", command="publish -P 500 -W 1 -c 32 --seconds {seconds} --warmup 1"
    ),
    "publish128": Load(
        title="PUBLISH, 1 watcher, 128 in flight", command="publish -P 500 -W 1 -c 128 --seconds {seconds} --warmup 1"
    ),
    "publish3": Load(
        title="PUBLISH, 3 watchers, 32 in flight", command="publish -P 200 -W 3 -c 32 --seconds {seconds} --warmup 1"
    ),
    "rate500": Load(
        title="PUBLISH, 1 watcher, 500/s", command="publish -P 500 -W 1 --rate 500 --seconds {seconds} --warmup 1"
    ),
    "half": Load(
        title="PUBLISH, 1 watcher, half of its own peak",
        command="publish -P 500 -W 1 --rate {half} --seconds {seconds} --warmup 1",
    ),
    "overlap": Load(
        title="overlapping PUBLISHes, 20 watchers, 16 in flight",
        command="publish -P 4 -W 20 -c 16 --hold response --seconds {seconds}",
    ),
    "subscribe": Load(
        title="SUBSCRIBE with its first NOTIFY, 32 in flight",
        command="subscribe -P 1000 -W 5 -c 32",
        rate="subscribe",
        delay="subscribe_notify",
        further=("subscribe_2xx",),
    ),
    "subscribe128": Load(
        title="SUBSCRIBE with its first NOTIFY, 128 in flight",
        command="subscribe -P 1000 -W 10 -c 128",
        rate="subscribe",
        delay="subscribe_notify",
        further=("subscribe_2xx",),
    ),
    "fanout": Load(
        title="NOTIFY to 1,000 watchers of one", command="fanout -W 1000 --seconds {seconds}", rate="notify"
    ),
}
"""In the order in which they run."""
