"""baresip as a softphone without sound, driven over its TCP control port (netstrings of JSON)."""

import json
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .load import Json
from .programs import program
from .served import until
from .system import System, free_port
from .wires import HOST

# Without mwi: that of baresip 1.0.0 asks again without a pause when it is refused (489).
MODULES = ("contact", "menu", "presence", "ctrl_tcp")
FOLDERS = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CONTACT = re.compile(r"^>?\s+(\S+)\s.*<(.+)>\s*$", re.MULTILINE)


class Baresip:
    """A softphone with one account; `contacts` are the addresses that it watches."""

    def __init__(self, system: System, aor: str, contacts: Sequence[str], *, transport: str, interval: int) -> None:
        self.aor = aor
        self._path = program("baresip", "baresip-core")
        self._port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="baresip-"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._received = b""
        outbound = f"sip:{system.target};transport={transport}"
        account = f'<{aor}>;auth_pass=none;regint=60;pubint={interval};outbound="{outbound}"'
        watched = [f'"Contact" <{contact}>;presence=p2p' for contact in contacts]
        self._write("config", self._config())
        self._write("accounts", [account])
        self._write("contacts", watched)

    def _config(self) -> list[str]:
        modules = next((folder for folder in FOLDERS if Path(folder).is_dir()), FOLDERS[0])
        return [
            "poll_method epoll",
            f"sip_listen {HOST}:0",
            f"net_interface {HOST}",
            f"module_path {modules}",
            f"ctrl_tcp_listen {HOST}:{self._port}",
            "module_tmp account.so",
            *(f"module_app {name}.so" for name in MODULES),
        ]

    def _write(self, name: str, lines: Sequence[str]) -> None:
        (self._folder / name).write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> "Baresip":
        """Start it and wait until it takes commands and is registered."""
        with self._log.open("wb") as log:
            command = [self._path, "-s", "-f", str(self._folder)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        until(self._connect, 10.0, self.report)
        until(lambda: "OK" in self.command("reginfo"), 10.0, self.report)
        return self

    def _connect(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.report()
        try:
            self._control = socket.create_connection((HOST, self._port), timeout=5.0)
        except OSError:
            return False
        return True

    def command(self, name: str, parameters: str = "") -> str:
        """Give a command of its menu and return what it prints."""
        assert self._control is not None
        text = json.dumps({"command": name, "params": parameters, "token": name}).encode()
        self._control.sendall(b"%d:%b," % (len(text), text))
        while True:
            message: dict[str, Json] = json.loads(self._netstring())
            if message.get("response") and message.get("token") == name:
                assert message["ok"], f"{name}: {message}"
                return strip(message["data"])

    def _netstring(self) -> bytes:
        assert self._control is not None
        while True:
            length, colon, rest = self._received.partition(b":")
            if colon and len(rest) > int(length):
                text, self._received = rest[: int(length)], rest[int(length) + 1 :]
                return text
            try:
                more = self._control.recv(65536)
            except TimeoutError:
                raise AssertionError(f"no answer, so far {self._received!r}\n{self.report()}") from None
            assert more, f"baresip is gone\n{self.report()}"
            self._received += more

    def seen(self, aor: str) -> str:
        """Return the status that it shows of a contact: Unknown, Offline, Online, Busy."""
        shown: dict[str, str] = {address: status for status, address in CONTACT.findall(self.command("contacts"))}
        return shown.get(aor, "")

    def sees(self, aor: str, status: str, timeout: float = 8.0) -> None:
        """Wait until it shows this status."""
        until(lambda: self.seen(aor) == status, timeout, lambda: f"{aor} is {self.seen(aor)}\n{self.report()}")

    def quit(self, timeout: float = 10.0) -> None:
        """Have it say goodbye to the server and end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout)

    def report(self) -> str:
        """Return what went over the wire."""
        return strip(self._log.read_text(errors="replace"))[-12_000:]

    def close(self) -> None:
        """End it whatever it does, and remove what it kept."""
        if self._control is not None:
            self._control.close()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def strip(text: Json) -> str:
    """Return a text without colours."""
    return COLOUR.sub("", str(text))
