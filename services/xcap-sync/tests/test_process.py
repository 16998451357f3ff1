"""`python -m xcap_sync` as an operator meets it."""

import json
import signal
from pathlib import Path

import pytest

from lamplighter_runtime.testing import eventually, free_port, nats, readiness, running, service


def test_process_with_a_variable_that_nobody_knows_refuses_to_start_and_says_so() -> None:
    with running(*service("xcap_sync"), XCAP_SYNC_TYPO="1") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 2
    assert errors == "XCAP_SYNC_TYPO: unknown variable\n"


def test_process_without_nats_is_alive_but_not_ready_and_stops_when_asked() -> None:
    port = free_port()
    environ = {"XCAP_SYNC_HTTP_PORT": str(port), "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{free_port()}"}

    with running(*service("xcap_sync"), **environ) as process:
        assert eventually(lambda: readiness(port) == (503, {"bus": False, "directory": False}))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    assert process.returncode == 0


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
def test_process_as_a_client_without_its_database_is_not_ready_and_stops_when_asked(tmp_path: Path) -> None:
    port, nats_port = free_port(), free_port()
    environ = {
        "XCAP_SYNC_HTTP_PORT": str(port),
        "XCAP_SYNC_NATS_URL": f"nats://127.0.0.1:{nats_port}",
        "XCAP_SYNC_MODE": "client",
        "XCAP_SYNC_ROOTS": "http://127.0.0.1:1/xcap-root",
        "XCAP_SYNC_POSTGRES_DSN": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
    }

    with running(*nats(nats_port, tmp_path)), running(*service("xcap_sync"), **environ) as process:
        assert eventually(lambda: readiness(port) == (503, {"bus": True, "directory": True, "database": False}))
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in errors
