"""A session as Markdown."""

from collections.abc import Iterator
from math import isnan

from bench.compare.loads import LOADS
from bench.compare.results import Cell, Session, Spread

HEAD = ("load", "server", "per second", "CPU µs each", "p50 ms", "p95 ms", "p99 ms", "runs")
OURS = "Lamplighter"


def lines(session: Session, *, keep_noisy: bool) -> Iterator[str]:
    """Yield the tables and what was left out."""
    yield from _rows(HEAD)
    for load in session.loads():
        for server in session.servers():
            cell = session.of(load, server, keep_noisy=keep_noisy)
            yield _row(LOADS[load].title, server, *_figures(cell), _runs(cell))
    yield from _against(session, keep_noisy=keep_noisy)
    yield from _noise(session, keep_noisy=keep_noisy)
    yield from _faults(session)


def _figures(cell: Cell) -> Iterator[str]:
    yield _show(cell.per_second())
    yield _show(cell.cost())
    for point in ("p50", "p95", "p99"):
        yield _show(cell.delay(point))


def _show(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    digits = 0 if spread.middle >= 100 else 1
    if spread.least == spread.most:
        return f"{spread.middle:,.{digits}f}"
    return f"{spread.middle:,.{digits}f} ({spread.least:,.{digits}f} to {spread.most:,.{digits}f})"


def _runs(cell: Cell) -> str:
    clean = sum(run.clean for run in cell.runs)
    unclean = len(cell.runs) - clean
    words = [f"{clean} clean"] * bool(clean) + [f"**{unclean} not clean**"] * bool(unclean)
    return ", ".join([*words, *([f"{cell.excluded} too noisy"] if cell.excluded else [])])


def _against(session: Session, *, keep_noisy: bool) -> Iterator[str]:
    """Yield how we compare with each other server: rate over theirs, CPU over theirs."""
    others = [server for server in session.servers() if server != OURS]
    if OURS not in session.servers() or not others:
        return
    yield ""
    yield from _rows((f"{OURS} against: rate / CPU", *others))
    for load in session.loads():
        ours = session.of(load, OURS, keep_noisy=keep_noisy)
        theirs = [session.of(load, other, keep_noisy=keep_noisy) for other in others]
        yield _row(LOADS[load].title, *(_ratios(ours, other) for other in theirs))


def _ratios(ours: Cell, theirs: Cell) -> str:
    return f"{_ratio(ours.per_second(), theirs.per_second())} / {_ratio(ours.cost(), theirs.cost())}"


def _ratio(ours: Spread | None, theirs: Spread | None) -> str:
    ratio = ours.middle / theirs.middle if ours and theirs and theirs.middle else float("nan")
    return "-" if isnan(ratio) else f"{ratio:.2f}"


def _noise(session: Session, *, keep_noisy: bool) -> Iterator[str]:
    noisy = session.noisy()
    fate = "counted all the same" if keep_noisy else "excluded"
    yield ""
    yield f"{len(noisy)} of {len(session.runs)} runs were too noisy to count" + (f" and {fate}:" if noisy else ".")
    for run, reasons in noisy:
        yield f"- round {run.round}, {run.server}, {LOADS[run.load].title}: {', '.join(reasons)}"


def _faults(session: Session) -> Iterator[str]:
    unclean = [run for run in session.runs if not run.clean]
    if unclean:
        yield ""
        yield f"{len(unclean)} of {len(session.runs)} runs were not clean:"
    for run in unclean:
        verdict = run.report.verdict if run.report else f"could not begin: {run.trouble}"
        yield f"- round {run.round}, {run.server}, {LOADS[run.load].title}: {verdict}"


def _rows(head: tuple[str, ...]) -> Iterator[str]:
    yield _row(*head)
    yield _row(*["---"] * len(head))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
