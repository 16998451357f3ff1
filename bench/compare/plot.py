"""A session as a picture."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.compare.loads import LOADS
from bench.compare.results import Cell, Session, Spread

Take = Callable[[Cell], Spread | None]
COLOURS = ("#d9480f", "#f59f00", "#1864ab", "#4dabf7", "#74809a", "#c3c8d4", "#2b8a3e", "#8ce99a")
WIDE_INCHES, HIGH_INCHES = 11.0, 3.2


def draw(session: Session, folder: Path, *, keep_noisy: bool) -> list[Path]:
    """Write compare.svg and compare.png; return their paths."""
    import matplotlib  # type: ignore[import-not-found, unused-ignore]

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lamplighter", "font.size": 8})
    from matplotlib import pyplot  # type: ignore[import-not-found, unused-ignore]

    panels: Sequence[tuple[str, Take]] = (
        ("operations per second", Cell.per_second),
        ("CPU µs per operation, all processes", Cell.cost),
        ("p50 ms", lambda cell: cell.delay("p50")),
        ("p99 ms", lambda cell: cell.delay("p99")),
    )
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(WIDE_INCHES, HIGH_INCHES * len(panels)), layout="constrained"
    )
    for place, (title, take) in zip(axes, panels, strict=True):
        for server, at, middles, below, above in _bars(session, take, keep_noisy=keep_noisy):
            width = 0.8 / len(session.servers())
            colour = COLOURS[session.servers().index(server) % len(COLOURS)]
            place.bar(at, middles, width, label=server, color=colour, yerr=[below, above], error_kw={"lw": 0.7})
        place.set_yscale("log")
        place.set_title(title, loc="left")
        place.set_xticks(
            range(len(session.loads())), [LOADS[load].title.replace(", ", "\n") for load in session.loads()]
        )
        place.spines[["top", "right"]].set_visible(False)
    axes[0].legend(ncols=3, frameon=False)
    paths = [folder / "compare.svg", folder / "compare.png"]
    for path in paths:
        figure.savefig(path, dpi=80, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return paths


Bars = tuple[str, list[float], list[float], list[float], list[float]]


def _bars(session: Session, take: Take, *, keep_noisy: bool) -> list[Bars]:
    """Return for each server: its name, where its bars stand, their heights, and the spread below and above."""
    found: list[Bars] = []
    servers = session.servers()
    for number, server in enumerate(servers):
        shift = (number - (len(servers) - 1) / 2) * 0.8 / len(servers)
        spreads = [take(session.of(load, server, keep_noisy=keep_noisy)) for load in session.loads()]
        known = [(at + shift, spread) for at, spread in enumerate(spreads) if spread]
        found.append(
            (
                server,
                [at for at, _ in known],
                [spread.middle for _, spread in known],
                [spread.middle - spread.least for _, spread in known],
                [spread.most - spread.middle for _, spread in known],
            )
        )
    return found
