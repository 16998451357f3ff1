import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lamplighter_cli.data import Status
from lamplighter_cli.embedded.polling import until
from lamplighter_cli.logs import Screen
from lamplighter_cli.processes import Spec, Tier
from lamplighter_cli.supervisor import Supervisor

WAITS = "trap 'echo {name} >>{folder}/ended; exit 0' TERM; echo {name} >>{folder}/begun; while :; do sleep 0.02; done"


class Bench:
    """A supervisor of shell scripts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = StringIO()
        self.supervisor = Supervisor(Screen(Console(file=self.output, width=200)), Status(folder / "status.json"))

    def start(self, name: str, script: str = WAITS, *, tier: Tier = Tier.CORE, stop_seconds: float = 5.0) -> None:
        self.supervisor.start(
            Spec(
                name=name,
                tier=tier,
                command=("/bin/sh", "-c", script.replace("{name}", name).replace("{folder}", str(self.folder))),
                environment={"PATH": os.defpath},
                stop_seconds=stop_seconds,
            )
        )

    def lines(self, file: str) -> list[str]:
        path = self.folder / file
        return path.read_text().split() if path.exists() else []

    def pids(self) -> dict[str, int]:
        path = self.folder / "status.json"
        pids: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return pids

    async def until(self, holds: Callable[[], bool]) -> None:
        async def asked() -> bool:
            return holds()

        async with asyncio.timeout(10):
            await until(asked)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    one = Bench(tmp_path)
    yield one
    await one.supervisor.stop()


async def test_supervisor_stops_tier_after_tier(bench: Bench) -> None:
    tiers = {"pg": Tier.POSTGRES, "edge": Tier.EDGE, "nats": Tier.NATS, "core": Tier.CORE, "notifier": Tier.NOTIFIER}
    for name, tier in tiers.items():
        bench.start(name, tier=tier)
    await bench.until(lambda: len(bench.lines("begun")) == 5)

    await bench.supervisor.stop()

    assert bench.lines("ended") == ["edge", "notifier", "core", "nats", "pg"]
    assert bench.pids() == {}


async def test_supervisor_starts_again_what_was_killed(bench: Bench) -> None:
    bench.start("one")
    await bench.until(lambda: bench.lines("begun") == ["one"])
    before = bench.pids()["one"]

    os.kill(before, signal.SIGKILL)
    await bench.until(lambda: bench.lines("begun") == ["one", "one"])

    assert bench.pids()["one"] != before
    assert "WARNING one ended signal=9 restart_in=0.1" in bench.output.getvalue()


async def test_supervisor_waits_longer_for_what_dies_at_once(bench: Bench) -> None:
    bench.start("one", "exit 7")

    await bench.until(lambda: "restart_in=0.4" in bench.output.getvalue())

    waits = [line.rpartition("=")[2] for line in bench.output.getvalue().splitlines()]
    assert waits[:3] == ["0.1", "0.2", "0.4"]


async def test_supervisor_gives_up_what_does_not_accept_its_settings(bench: Bench) -> None:
    bench.start("one", "echo X_Y: unknown variable; exit 2")

    async with asyncio.timeout(5):
        why = await bench.supervisor.hopeless

    assert why == "one does not accept its settings"
    assert "X_Y: unknown variable" in bench.output.getvalue()


async def test_supervisor_kills_what_does_not_stop(bench: Bench) -> None:
    bench.start("one", "trap '' TERM; echo one >>{folder}/begun; while :; do sleep 0.02; done", stop_seconds=0.2)
    await bench.until(lambda: bench.lines("begun") == ["one"])

    async with asyncio.timeout(5):
        await bench.supervisor.stop()

    assert bench.pids() == {}
    assert "one does not stop: killed" in bench.output.getvalue()


async def test_supervisor_stops_what_waits_to_be_started_again(bench: Bench) -> None:
    bench.start("one", "exit 7")
    await bench.until(lambda: "restart_in=0.8" in bench.output.getvalue())

    async with asyncio.timeout(0.5):
        await bench.supervisor.stop()


async def test_supervisor_shows_quiet_lines_of_what_fails(bench: Bench) -> None:
    bench.start("one", "echo 'LOG:  could not do it'; exit 1")

    await bench.until(lambda: "one ended status=1" in bench.output.getvalue())

    assert "could not do it" in bench.output.getvalue()


async def test_supervisor_is_not_held_up_by_a_grandchild_with_the_output(bench: Bench) -> None:
    bench.start("one", "echo one >>{folder}/begun; sleep 30 & echo $! >>{folder}/grandchild; wait")
    await bench.until(lambda: bool(bench.lines("grandchild")))

    os.kill(bench.pids()["one"], signal.SIGKILL)
    await bench.until(lambda: len(bench.lines("grandchild")) == 2)

    await bench.supervisor.stop()
    for pid in bench.lines("grandchild"):
        os.kill(int(pid), signal.SIGKILL)


async def test_supervisor_drops_a_line_without_end(bench: Bench) -> None:
    bench.start("one", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after; exec sleep 30")

    await bench.until(lambda: " after" in bench.output.getvalue())

    assert len(bench.output.getvalue()) < 3_000_000
