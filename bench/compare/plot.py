"""A session as a picture."""

from collections.abc import Callable
from pathlib import Path
from textwrap import fill as fill_text
from typing import TYPE_CHECKING

from bench.compare.loads import LOADS
from bench.compare.results import Cell, Session, Spread
from bench.lab import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # type: ignore[import-not-found, unused-ignore]

Take = Callable[[Cell], Spread | None]
_LETTERS = 18
"""In a line below a group of bars."""
_WIDTH = 0.8
"""Of all the bars of a load."""


def draw(session: Session, folder: Path, *, keep_noisy: bool) -> None:
    """Write compare.svg and compare.png."""
    panels: list[tuple[str, Take]] = [
        ("operations per second", Cell.per_second),
        ("CPU µs per operation, all processes", Cell.cost),
        ("median ms to the NOTIFY", lambda cell: cell.delay("p50")),
        ("99th percentile of ms to the NOTIFY", lambda cell: cell.delay("p99")),
    ]
    picture.draw(folder, "compare", [(title, _panel(session, take, keep_noisy)) for title, take in panels])


def _panel(session: Session, take: Take, keep_noisy: bool) -> picture.Panel:
    loads, servers = session.loads(), session.servers()

    def paint(axes: "Axes") -> None:
        for number, server in enumerate(servers):
            shift = (number - (len(servers) - 1) / 2) * _WIDTH / len(servers)
            spreads = [take(session.of(load, server, keep_noisy=keep_noisy)) for load in loads]
            known = [(at + shift, spread) for at, spread in enumerate(spreads) if spread]
            axes.bar(
                [at for at, _ in known],
                [spread.middle for _, spread in known],
                _WIDTH / len(servers),
                label=server,
                color=picture.COLOURS[number % len(picture.COLOURS)],
                yerr=[
                    [spread.middle - spread.least for _, spread in known],
                    [spread.most - spread.middle for _, spread in known],
                ],
                error_kw={"lw": 0.7},
            )
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.set_xticks(range(len(loads)), [fill_text(LOADS[load].title, _LETTERS) for load in loads], fontsize=7)
        if take is Cell.per_second:
            axes.legend(ncols=len(servers), frameon=False, fontsize=6)

    return paint
