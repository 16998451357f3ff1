"""`lamplighter up` for real: started, hurt, stopped."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from lamplighter_cli import ports

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
NAMES = ["core-1", "edge-1", "nats", "notifier-1", "postgres", "xcap-1"]
COMMAND = (sys.executable, "-m", "lamplighter_cli")
PATIENCE = 60.0


def wait_for(holds: Callable[[], bool], complaint: Callable[[], str] = lambda: "") -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, complaint()
        time.sleep(0.05)


class Up:
    """One `lamplighter up` on free ports."""

    def __init__(self, *prefix: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lamplighter-test-"))
        self.data = self.folder / "data"
        self.sip = f"{HOST}:{ports.free(HOST, udp=True)}"
        self.http = ports.free(HOST, count=4)
        self._prefix = prefix
        self._output = self.folder / "output"
        self._errors = self.folder / "errors"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [*self._prefix, *COMMAND, "up", "--sip", self.sip, "--http", f"{HOST}:{self.http}"]
        with self._output.open("wb") as output, self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, "--data", str(self.data), *arguments],
                stdout=output,
                stderr=errors,
                env=dict(os.environ) | dict(environ or {}),
                start_new_session=True,
            )
        return self.process

    def start(self, *arguments: str) -> None:
        process = self.launch(*arguments)
        wait_for(lambda: "\n" in self.output or process.poll() is not None, lambda: self.errors)
        assert process.poll() is None, self.errors

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads((self.data / "status.json").read_text())
        return pids

    def is_ready(self) -> bool:
        try:
            return all(
                httpx.get(f"http://{HOST}:{self.http + number}/readyz").status_code == 200 for number in range(4)
            )
        except httpx.HTTPError:
            return False

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def interrupt(self) -> int:
        """Send what Ctrl-C sends: SIGINT to the whole process group of the terminal."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)

    def remove(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def up() -> Iterator[Up]:
    one = Up()
    yield one
    one.remove()


def alive(pids: Mapping[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_up_says_that_it_is_ready_and_stops_without_a_trace(up: Up) -> None:
    up.start()
    pids = up.pids()

    published = cli("publish", "alice@example.com", "--note", "hi", "--server", up.sip)
    watched = cli("watch", "alice@example.com", "--count", "1", "--seconds", "10", "--server", up.sip, "--tcp")
    code = up.interrupt()

    assert up.output == f"lamplighter ready: sip {up.sip} (udp, tcp), http http://{HOST}:{up.http}\n"
    assert sorted(pids) == NAMES
    assert (published.returncode, published.stdout.split()[:2]) == (0, ["published", "sip:alice@example.com"])
    assert (watched.returncode, watched.stdout.split(" ", 1)[1]) == (0, 'sip:alice@example.com open "hi"\n')
    assert code == 0
    assert alive(pids) == []
    assert "signal=SIGINT" not in up.errors
    assert not (up.data / "status.json").exists()
    assert not any(level in up.errors for level in (" WARNING ", " ERROR ")), up.errors


@pytest.mark.faults
def test_up_brings_back_what_is_killed(up: Up) -> None:
    up.start()
    before = up.pids()

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: sorted(up.pids()) == NAMES and not set(up.pids().values()) & set(before.values()))
    wait_for(up.is_ready, lambda: up.errors)

    assert up.end() == 0
    assert up.output.count("lamplighter ready") == 1


@pytest.mark.faults
def test_up_killed_takes_all_along_and_starts_again(up: Up) -> None:
    up.start()
    pids = up.pids()
    assert up.process

    up.process.kill()
    up.process.wait()
    wait_for(lambda: alive(pids) == [], lambda: str(alive(pids)))
    up.start()

    assert up.end() == 0


def test_up_at_a_second_signal_ends_at_once(up: Up) -> None:
    up.start()
    pids = up.pids()
    assert up.process
    os.kill(pids["edge-1"], signal.SIGSTOP)

    up.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    begin = time.monotonic()
    up.end(signal.SIGINT)

    assert time.monotonic() - begin < 5
    wait_for(lambda: alive(pids) == [], lambda: str(alive(pids)))


def test_up_takes_one_signal_told_twice_for_one(up: Up) -> None:
    up.start()
    assert up.process

    up.process.send_signal(signal.SIGTERM)
    code = up.end(signal.SIGTERM)

    assert code == 0
    assert "killed" not in up.errors


def test_up_stopped_while_it_starts_ends_cleanly(up: Up) -> None:
    process = up.launch()
    wait_for(lambda: "starting PostgreSQL" in up.errors)

    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE) == 0
    assert up.output == ""


def test_up_on_a_data_folder_in_use_is_refused(up: Up) -> None:
    up.start()
    assert up.process

    second = cli("up", "--sip", f"{HOST}:0", "--http", f"{HOST}:0", "--data", str(up.data))

    assert second.returncode == 1
    assert second.stderr == (
        f"lamplighter: data folder {up.data} is in use by process {up.process.pid}; choose another with --data\n"
    )
    assert up.end() == 0


def test_up_whose_ports_are_taken_names_them_and_starts_nothing(up: Up) -> None:
    with socket.create_server((HOST, up.http + 2)):
        code = up.launch().wait(PATIENCE)

    assert code == 1
    assert f"cannot listen on HTTP {HOST}:{up.http + 2}: Address already in use" in up.errors
    assert sorted(path.name for path in up.data.iterdir()) == ["lock"]


def test_up_with_a_wrong_setting_names_it_and_ends(up: Up) -> None:
    code = up.launch(environ={"SIP_EDGE_MAX_PENDNIG": "1"}).wait(PATIENCE)

    assert code == 1
    assert "SIP_EDGE_MAX_PENDNIG" in up.errors
    assert "edge-1 does not accept its settings" in up.errors
    assert up.output == ""


def test_up_with_replicas_lists_them(up: Up) -> None:
    up.start("--edges", "2", "--cores", "2", "--notifiers", "2")

    members = httpx.get(f"http://{HOST}:{up.http}/services").json()
    edges = {member["instance"]: member["sip"] for member in members if member["service"] == "sip-edge"}

    port = int(up.sip.rpartition(":")[2])
    assert edges == {"edge-1": up.sip, "edge-2": f"{HOST}:{port + 10}"}
    assert len(members) == 7
    assert f"sip {up.sip},{HOST}:{port + 10} (udp" in up.output
    assert up.end() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "rules"), "--policy rules needs --xcap"),
        (("--xcap", "client"), "--xcap client needs --xcap-root"),
        (("--xcap-root", "http://x"), "--xcap-root needs --xcap client"),
    ],
)
def test_up_with_what_does_not_fit_is_refused_before_anything_starts(
    tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    refused = cli("up", "--data", str(tmp_path / "data"), *arguments)

    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--sip", "nowhere"),
        ("up", "--edges", "0"),
        ("up", "--policy", "none"),
        ("watch", "no uri"),
        ("publish", "alice@example.com", "--status", "maybe"),
        ("publish", "alice@example.com", "--event", "dialog"),
    ],
)
def test_command_line_that_is_wrong_is_refused(arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).returncode == 2


def ordinary_user() -> list[str]:
    """Return what runs a command as somebody who is not root, though the interpreter be in root's home."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    read = "+dac_read_search"
    prefix = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    prefix += [f"--inh-caps={read}", f"--ambient-caps={read}"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, *COMMAND, "--help"], capture_output=True).returncode:
        pytest.skip("no way to be an ordinary user here")
    return prefix


def test_up_of_an_ordinary_user_runs_everything_as_that_user() -> None:
    up = Up(*ordinary_user())
    uid = os.geteuid() or pwd.getpwnam("nobody").pw_uid
    os.chown(up.folder, uid, -1)

    try:
        up.start()
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in up.pids().values()}
        assert owners == {uid}
        assert up.end() == 0
    finally:
        up.remove()
