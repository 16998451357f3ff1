"""presload, the load generator and referee of `bench/presload`, and what it found."""

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .served import Door
from .wires import HOST

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a run ended."""

    status: int
    figures: dict[str, Json]
    text: str

    def number(self, *path: str) -> float:
        """Return a figure by its path."""
        value: Json = self.figures
        for name in path:
            assert isinstance(value, dict), f"no {path} in {self.figures}"
            value = value[name]
        assert isinstance(value, int | float), f"{path} is {value!r}"
        return value


class Run:
    """A run that goes on while the test does other things."""

    def __init__(self, program: Path, door: Door, arguments: list[str], figures: Path) -> None:
        self._json = figures
        command, *options = arguments
        host, port = door.sip
        options += ["--json", str(figures), "-q", *([] if host == HOST else ["--allow-private"])]
        self._process = subprocess.Popen(
            [str(program), command, f"{host}:{port}", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """End it before its time, in order."""
        self._process.send_signal(signal.SIGINT)

    def verdict(self, timeout: float = 120.0) -> Verdict:
        """Wait for the end."""
        try:
            output, _ = self._process.communicate(timeout=timeout)
        finally:
            self._process.kill()
        figures = json.loads(self._json.read_text()) if self._json.exists() else {}
        return Verdict(status=self._process.returncode, figures=figures, text=output.decode(errors="replace"))

    def stop(self) -> None:
        """End it whatever it does."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
