"""Each service killed in the middle of load and started again: nothing accepted is lost, nothing goes back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .conftest import Presload
from .load import Verdict
from .steady import Crowd
from .system import System

pytestmark = pytest.mark.faults
LOAD = ("publish", "-P", "50", "-W", "2", "--rate", "100", "--seconds", "11", "--grace", "20")
BEFORE, AFTER = 3.0, 2.0
"""Seconds of load before and after a fault."""
NEVER = ("lost", "stale", "dup_cseq", "wrong_at_end", "future_state", "crosstalk", "malformed", "notify_bad")


@pytest.fixture
async def crowd(faulty: System) -> AsyncIterator[Crowd]:
    """Return a crowd of steady clients."""
    crowd = await Crowd.gather(faulty)
    yield crowd
    await crowd.close()


@pytest.mark.parametrize("name", ["core-1", "edge-1", "notifier-1", "postgres", "nats"])
async def test_process_killed_under_load_loses_nothing(
    faulty: System, crowd: Crowd, presload: Presload, name: str
) -> None:
    run = presload(faulty, *LOAD)
    crowd.begin()
    await asyncio.sleep(BEFORE)

    pid = faulty.kill(name)
    await asyncio.to_thread(faulty.back, name, pid)
    await asyncio.sleep(AFTER)
    await crowd.finish()

    nothing_lost(await asyncio.to_thread(run.verdict))


async def test_service_killed_again_and_again_loses_nothing(faulty: System, crowd: Crowd) -> None:
    crowd.begin()
    for name in ("notifier-1", "core-1", "edge-1", "core-1", "notifier-1"):
        pid = faulty.kill(name)
        await asyncio.to_thread(faulty.back, name, pid)
        await asyncio.sleep(0.5)

    await crowd.finish()


async def test_all_services_killed_at_once_lose_nothing(faulty: System, crowd: Crowd) -> None:
    crowd.begin()
    await asyncio.sleep(1)

    pids = {name: faulty.kill(name) for name in ("core-1", "edge-1", "notifier-1")}
    for name, pid in pids.items():
        await asyncio.to_thread(faulty.back, name, pid)
    await asyncio.sleep(AFTER)

    await crowd.finish()


def nothing_lost(verdict: Verdict) -> None:
    """Judge a run with a fault in it: answers may fail, states may be late, and that is all."""
    found = {name: verdict.number("run", name) for name in NEVER}

    assert not any(found.values()), f"{found}\n{verdict.text}"
    assert verdict.number("run", "publish_ok") > 100, verdict.text
