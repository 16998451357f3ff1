"""Whom the database runs as: PostgreSQL refuses to be root."""

import os
import pwd
from pathlib import Path

from lamplighter_cli.errors import StartFailed
from lamplighter_cli.processes import User

CANDIDATES = ("postgres", "nobody")


def database_user(folder: Path) -> User | None:
    """Return the owner of an existing database folder, else an unprivileged account; None when we are no root."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and (status := folder.stat()).st_uid != 0:
        return User(status.st_uid, status.st_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid)
    raise StartFailed("PostgreSQL does not run as root, and there is no account postgres or nobody")


def closed_parent(folder: Path, user: User) -> Path | None:
    """Return the folder on the way to `folder`, itself included, that `user` may not pass; None without."""
    return next((part for part in (folder, *folder.parents) if not _may_pass(part, user)), None)


def _may_pass(folder: Path, user: User) -> bool:
    status = folder.stat()
    shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
    return bool(status.st_mode >> shift & 1)
