"""The life of a service's process: signals and exit codes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, sys, time
from typing import ClassVar
from pydantic import Field
from lamplighter_runtime.health import create_app
from lamplighter_runtime.lifecycle import StartError, run_service
from lamplighter_runtime.metrics import Registry
from lamplighter_runtime.settings import HttpPort, Instance, ServiceSettings

class Settings(ServiceSettings):
    env_prefix: ClassVar[str] = "SAMPLE_"
    instance: Instance = "sample-1"
    http_port: HttpPort = 0
    fault: str = Field(default="", description="What goes wrong.")

class Sample:
    def __init__(self, environ):
        self.settings = Settings.load(environ)
        self.app = create_app("sample", Registry(), dict)

    async def run(self, stop):
        fault = self.settings.fault
        if fault == "bug":
            raise RuntimeError("lamp broke")
        if fault == "taken":
            raise StartError("SIP address udp 127.0.0.1:5060: Address already in use")
        if fault == "stuck":
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
        print(type(asyncio.get_running_loop()).__module__, flush=True)
        await stop.wait()
        if fault == "slow":
            print("stopping", flush=True)
            await asyncio.sleep(60)

sys.exit(run_service(Sample))
"""
IMPORTING = """
from lamplighter_runtime.signals import end_at_once
end_at_once()
print("importing", flush=True)
while True:
    pass
"""
JOB = """
import asyncio, sys
from typing import ClassVar
from lamplighter_runtime.lifecycle import StartError, run_job
from lamplighter_runtime.settings import HttpPort, ServiceSettings

class Settings(ServiceSettings):
    env_prefix: ClassVar[str] = "SAMPLE_"
    http_port: HttpPort = 0
    work: str = ""

class Sample:
    def __init__(self, environ):
        self.settings = Settings.load(environ)

    async def run(self):
        if self.settings.work == "impossible":
            raise StartError("no lamp to light")
        if self.settings.work == "endless":
            print("working", flush=True)
            await asyncio.sleep(3600)

sys.exit(run_job(Sample))
"""


@contextmanager
def start(program: str = PROGRAM, *before: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program, and end it at the latest when the block ends."""
    with subprocess.Popen(
        [*before, sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(**environ: str) -> tuple[int, str]:
    """Return exit code and stderr of a service that ends by itself."""
    with start(**environ) as process:
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_after_a_signal_ends_with_0(number: signal.Signals) -> None:
    with start() as process:
        loop = line_of(process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert loop.startswith("uvloop")
    assert [json.loads(line)["message"] for line in errors.splitlines()] == ["stopping"]


def test_process_after_a_second_signal_ends_at_once() -> None:
    with start(SAMPLE_FAULT="slow") as process:
        line_of(process)
        process.send_signal(signal.SIGTERM)
        assert line_of(process) == "stopping"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == 128 + signal.SIGTERM


def test_process_that_waits_for_a_thread_such_as_a_resolver_ends_soon() -> None:
    with start(SAMPLE_FAULT="stuck") as process:
        line_of(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)

    assert process.returncode == 0


def test_process_with_wrong_settings_says_each_and_ends_with_2() -> None:
    code, errors = ended(SAMPLE_TYPO="1", SAMPLE_HTTP_PORT="eighty", SAMPLE_SHARDS="0")

    assert code == 2
    assert [line.partition(":")[0] for line in errors.splitlines()] == [
        "SAMPLE_TYPO",
        "SAMPLE_SHARDS",
        "SAMPLE_HTTP_PORT",
    ]


def test_process_that_cannot_start_says_why_in_one_line_and_ends_with_3() -> None:
    code, errors = ended(SAMPLE_FAULT="taken")

    (line,) = errors.splitlines()
    assert code == 3
    assert json.loads(line)["reason"] == "SIP address udp 127.0.0.1:5060: Address already in use"


def test_process_whose_http_port_is_taken_ends_with_3() -> None:
    code, errors = ended(SAMPLE_HTTP_HOST="192.0.2.1")

    (line,) = errors.splitlines()
    assert code == 3
    assert "192.0.2.1" in json.loads(line)["reason"]


def test_process_with_a_bug_logs_the_traceback_and_ends_with_1() -> None:
    code, errors = ended(SAMPLE_FAULT="bug")

    (line,) = errors.splitlines()
    assert code == 1
    assert "lamp broke" in json.loads(line)["exc_info"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_that_still_imports_ends_at_once_by_a_signal(number: signal.Signals) -> None:
    with start(IMPORTING) as process:
        line_of(process)
        process.send_signal(number)
        process.communicate(timeout=30)

    assert process.returncode == 128 + number


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes PID namespaces")
@pytest.mark.parametrize(("program", "code"), [(IMPORTING, 128 + signal.SIGTERM), (PROGRAM, 0)])
def test_process_that_is_pid_1_hears_signals(program: str, code: int) -> None:
    with start(program, "unshare", "--pid", "--fork", "--kill-child") as process:
        line_of(process)
        (first,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == code


def test_job_that_is_done_ends_with_0() -> None:
    with start(JOB) as process:
        process.communicate(timeout=60)

    assert process.returncode == 0


def test_job_that_is_stopped_ends_with_1_as_it_is_not_done() -> None:
    with start(JOB, SAMPLE_WORK="endless") as process:
        line_of(process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == 1


def test_job_that_cannot_be_done_says_why_in_one_line_and_ends_with_3() -> None:
    with start(JOB, SAMPLE_WORK="impossible") as process:
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 3
    assert json.loads(errors)["reason"] == "no lamp to light"
