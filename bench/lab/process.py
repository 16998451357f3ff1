"""Processes as Linux shows them in /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process."""

    pid: int
    parent: int
    cpu_seconds: float
    """Its own and that of the children it has waited for."""
    rss_bytes: int


def read(pid: int) -> Process | None:
    """Return a process; None when it is gone."""
    try:
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    times = sum(int(field) for field in fields[11:15])
    return Process(
        pid=int(head.split()[0]), parent=int(fields[1]), cpu_seconds=times / _TICKS, rss_bytes=int(fields[21]) * _PAGE
    )


def trees(roots: Iterable[int]) -> list[Process]:
    """Return these processes with all their descendants."""
    found = (read(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    living = {process.pid: process for process in found if process is not None}
    wanted = {pid for pid in roots if pid in living}
    while more := {pid for pid, process in living.items() if process.parent in wanted} - wanted:
        wanted |= more
    return [living[pid] for pid in sorted(wanted)]


def name(pid: int) -> str:
    """Return what a process is, in a word: the service of a Python process, else its program."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "gone"
    program = words[0].split(":")[0].split(" ")[0].rpartition("/")[2]
    if program.startswith("python") and "-m" in words:
        return words[words.index("-m") + 1]
    return words[1].rpartition("/")[2] if program.startswith(("python", "bash")) and len(words) > 1 else program


def pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def memory(roots: Iterable[int]) -> dict[str, int]:
    """Return the proportional set size of these processes and their descendants in bytes, by name."""
    sizes: dict[str, int] = {}
    for process in trees(roots):
        key = name(process.pid)
        sizes[key] = sizes.get(key, 0) + pss(process.pid)
    return sizes
