"""presload, the load generator and referee of `bench/presload`, and what it says of a run."""

import re
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from bench.lab.waiting import until

SOURCE = Path(__file__).resolve().parent.parent / "presload" / "presload.c"
DOMAIN = "example.test"
"""Of its users `p0`, `p1`, ... and `w0`, `w1`, ..."""
TOO_LONG_SECONDS = 3600.0
_SECOND = re.compile(
    r"^ *(?P<at>[0-9.]+)s (?P<phase>[-a-z ]+?) +PUBLISH .*? in flight (?P<flying>[0-9]+) .*? "
    r"PUBLISH 200 (?P<served>[0-9]+)/s refused (?P<refused>[0-9]+)/s$",
    re.M,
)


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds."""

    n: int
    min: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class Counters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened in one phase."""

    publish_ok: int = 0
    publish_err: int = 0
    subscribe_ok: int = 0
    subscribe_err: int = 0
    rx_notify: int = 0
    lost: int = 0
    stale: int = 0
    timeouts: int = 0
    tx_rexmit: int = 0
    pending: int = 0
    """NOTIFYs that say that nobody has decided yet."""
    retry_after: int = 0
    """503s that say when to come again."""
    publish_status: dict[str, int] = {}
    subscribe_status: dict[str, int] = {}


class Server(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The measured processes; None where nothing was to divide by."""

    processes: int = 0
    cpu_s: float = 0.0
    cpu_us_per_publish: float | None = None
    cpu_us_per_notify: float | None = None
    cpu_us_per_operation: float | None = None
    rss_sum_peak_kb: int = 0
    pss_kb: int = 0


class Generator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """presload itself."""

    cpu_s: float = 0.0
    start_lag_max_ms: float = 0.0
    rx_dropped: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What presload says of a run."""

    ok: bool
    verdict: str
    first_bad: list[str] = []
    seconds: float = 0.0
    """That were asked for."""
    window_s: float
    span_s: float
    per_second: dict[str, float]
    latency_ms: dict[str, Delay]
    server: Server
    generator: Generator
    run: Counters
    setup: Counters = Counters()

    def faults(self, *, but: Iterable[str] = ()) -> str:
        """Return the verdict without the faults that were to be expected; empty when none is left."""
        return " ".join(word for word in self.verdict.split() if word.partition("=")[0] not in but)


class SetUpFailed(Exception):
    """presload ended before it measured anything."""


class Presload:
    """The compiled program."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "presload"
        self._runs = 0
        subprocess.run(["cc", "-O2", "-o", str(self._program), str(SOURCE), "-lm"], check=True)

    def start(self, load: str, target: str, pids: Sequence[int] = (), *options: str) -> "Running":
        """Begin a load such as `publish -P 500 -W 1 -c 32` on `target`, HOST:PORT."""
        self._runs += 1
        output = self._program.with_name(f"presload-{self._runs}.json")
        mode, *rest = load.split()
        servers = ["--pid", ",".join(map(str, pids))] if pids else []
        return Running([str(self._program), mode, target, *rest, *servers, *options, "--json", str(output)], output)

    def run(self, load: str, target: str, pids: Sequence[int] = (), *options: str) -> Report:
        """Run a load to its end."""
        return self.start(load, target, pids, *options).report()


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What presload told of one second."""

    at: float
    phase: str
    served: float
    """PUBLISHes that got a 200, in a second."""
    refused: float
    in_flight: int


class Running:
    """A run that goes on."""

    def __init__(self, command: list[str], output: Path) -> None:
        self._output, self._log = output, output.with_suffix(".log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def report(self) -> Report:
        """Wait for the end; raise SetUpFailed when nothing was measured."""
        self.wait()
        if not self._output.exists():
            raise SetUpFailed(self._log.read_text(errors="replace"))
        report = msgspec.json.decode(self._output.read_bytes(), type=Report)
        if not report.span_s:
            raise SetUpFailed(f"{report.verdict} {'; '.join(report.first_bad)}")
        return report

    def wait(self) -> None:
        """Wait for the end."""
        try:
            self._process.wait(TOO_LONG_SECONDS)
        finally:
            self._process.kill()

    def end(self) -> None:
        """Have it end before its time, in order."""
        self._process.send_signal(signal.SIGINT)
        self.wait()

    def seconds(self) -> list[Second]:
        """Return what it has told so far."""
        return [
            Second(
                at=float(found["at"]),
                phase=found["phase"].strip(),
                served=float(found["served"]),
                refused=float(found["refused"]),
                in_flight=int(found["flying"]),
            )
            for found in _SECOND.finditer(self._log.read_text(errors="replace"))
        ]

    def until_set_up(self) -> None:
        """Wait until the set-up is over."""
        until(lambda: not self.running or self._is_set_up(), TOO_LONG_SECONDS, lambda: "never set up")

    def _is_set_up(self) -> bool:
        return any(not second.phase.startswith("setup") for second in self.seconds())

    @property
    def running(self) -> bool:
        """Return whether it goes on."""
        return self._process.poll() is None
