"""The data folder: one `up` at a time, and who its processes are.

`lock` is held as long as we live; `status.json` maps the name of each running process to its pid.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lamplighter_cli.errors import StartFailed


class Status:
    """The file that names the running processes; changed as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pids: dict[str, int] = {}

    def set(self, name: str, pid: int | None) -> None:
        """Note that a process runs, or that it does not (None)."""
        if pid is None:
            self._pids.pop(name, None)
        else:
            self._pids[name] = pid
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._pids, indent=1, sort_keys=True) + "\n")
        fresh.replace(self._path)

    def remove(self) -> None:
        """Remove the file: nothing runs."""
        self._path.unlink(missing_ok=True)


def default_folder(environ: dict[str, str]) -> Path:
    """Return the data folder of those who name none."""
    if os.geteuid() == 0:
        return Path("/var/lib/lamplighter")
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/")) / ".local/share"
    return Path(base) / "lamplighter"


def make_folder(folder: Path) -> None:
    """Make the data folder, if need be: closed to others, but the database's user may pass through that of root."""
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise StartFailed(f"data folder {folder}: {error.strerror}") from error


@contextmanager
def locked(folder: Path) -> Iterator[Status]:
    """Hold the data folder for us alone; StartFailed when another process does."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartFailed(f"data folder {folder}: {error.strerror}") from error
    try:
        _lock(descriptor, folder)
        status = Status(folder / "status.json")
        yield status
        status.remove()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode().strip()
        raise StartFailed(f"data folder {folder} is in use by process {holder}; choose another with --data") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
