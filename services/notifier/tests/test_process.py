"""`python -m notifier` as an operator meets it."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from lamplighter_proto import FrameCodec, Notify, Outcome, Received, Send, subjects
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.nats_bus import NatsBus
from lamplighter_runtime.testing import (
    DEADLINE_SECONDS,
    END_SECONDS,
    UNREACHABLE,
    ended,
    eventually,
    free_port,
    get,
    nats,
    readiness,
    running,
    service,
    unreachable,
)

READY = (200, {"bus": True, "directory": True, "serving": True})


def test_process_with_a_variable_that_nobody_knows_refuses_to_start_and_says_so() -> None:
    with running(*service("notifier"), NOTIFIER_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "NOTIFIER_TYPO: unknown variable\n"


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_process_that_waits_for_nats_is_not_ready_and_ends_soon(kind: str) -> None:
    port = free_port()
    with unreachable(kind) as away:
        environ = {"NOTIFIER_HTTP_PORT": str(port), "NOTIFIER_NATS_URL": f"nats://127.0.0.1:{away}"}
        with running(*service("notifier"), **environ) as process:
            assert eventually(lambda: readiness(port) == (503, {"bus": False, "directory": False, "serving": False}))
            code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors


@pytest.mark.integration
def test_process_with_nats_delivers_and_stops_when_asked(tmp_path: Path, notify: Notify) -> None:
    port, nats_port = free_port(), free_port()
    url = f"nats://127.0.0.1:{nats_port}"
    environ = {"NOTIFIER_HTTP_PORT": str(port), "NOTIFIER_NATS_URL": url}

    with running(*nats(nats_port, tmp_path)), running(*service("notifier"), **environ) as process:
        assert eventually(lambda: readiness(port) == READY)
        outcome = asyncio.run(delivered(url, notify))
        metrics = get(port, "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert (outcome.cseq, outcome.status) == (12, 200)
    assert 'presence_notifier_notifies_total{event="dialog",status="200"} 1.0' in metrics
    assert process.returncode == 0
    assert "stopping" in [json.loads(line)["message"] for line in errors.splitlines()]


async def delivered(url: str, notify: Notify) -> Outcome:
    """Ask for a NOTIFY as the core, answer it as the edge, return what is reported."""
    bus = await NatsBus.connect(url, name="peer", service="peer", metrics=Registry())
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    def answer(sends: list[Send]) -> None:
        for send in sends:
            bus.send(subjects.notifier_responses(send.notifier), Received(branch=send.branch, status=200))

    def take(messages: list[Outcome]) -> None:
        outcomes.put_nowait(messages[0])

    try:
        await bus.subscribe(subjects.edge_sends("edge-1"), FrameCodec[Send](Send), answer)
        await bus.subscribe(subjects.core_outcomes("core-1"), FrameCodec[Outcome](Outcome), take)
        bus.send(subjects.NOTIFY, notify)
        return await asyncio.wait_for(outcomes.get(), DEADLINE_SECONDS)
    finally:
        await bus.close()
