"""`python -m xcap_sync` as an operator meets it."""

import json
import signal
from pathlib import Path

import pytest

from lamplighter_runtime.testing import (
    END_SECONDS,
    UNREACHABLE,
    ended,
    eventually,
    free_port,
    nats,
    readiness,
    running,
    service,
    unreachable,
)


def test_process_with_a_variable_that_nobody_knows_refuses_to_start_and_says_so() -> None:
    with running(*service("xcap_sync"), XCAP_SYNC_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "XCAP_SYNC_TYPO: unknown variable\n"


@pytest.mark.parametrize("kind", UNREACHABLE)
def test_process_that_waits_for_nats_is_not_ready_and_ends_soon(kind: str) -> None:
    port = free_port()
    with unreachable(kind) as away:
        environ = {"XCAP_SYNC_HTTP_PORT": str(port), "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{away}"}
        with running(*service("xcap_sync"), **environ) as process:
            assert eventually(lambda: readiness(port) == (503, {"bus": False, "directory": False}))
            code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors


@pytest.mark.integration
def test_process_with_nats_is_ready_and_stops_when_asked(tmp_path: Path) -> None:
    port, nats_port = free_port(), free_port()
    environ = {"XCAP_SYNC_HTTP_PORT": str(port), "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{nats_port}"}

    with running(*nats(nats_port, tmp_path)), running(*service("xcap_sync"), **environ) as process:
        assert eventually(lambda: readiness(port) == (200, {"bus": True, "directory": True}))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "stopping" in [json.loads(line)["message"] for line in errors.splitlines()]


@pytest.mark.integration
@pytest.mark.parametrize("mode", ["integrated", "client"])
@pytest.mark.parametrize("kind", UNREACHABLE)
def test_process_that_waits_for_its_database_is_not_ready_and_ends_soon(kind: str, mode: str, tmp_path: Path) -> None:
    port, nats_port = free_port(), free_port()
    environ = {
        "XCAP_SYNC_HTTP_PORT": str(port),
        "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{nats_port}",
        "XCAP_SYNC_MODE": mode,
        "XCAP_SYNC_ROOTS": "http://127.0.0.1:1/xcap-root",
    }

    with (
        unreachable(kind) as away,
        running(*nats(nats_port, tmp_path)),
        running(
            *service("xcap_sync"), **environ, XCAP_SYNC_POSTGRES_DSN=f"postgresql://n@127.0.0.1:{away}/n"
        ) as process,
    ):
        assert eventually(lambda: readiness(port) == (503, {"bus": True, "directory": True, "database": False}))
        code, seconds, errors = ended(process)

    assert (code, seconds < END_SECONDS) == (0, True), errors
    assert "Traceback" not in errors
