"""Pictures of results, where matplotlib is installed (requirements-bench.txt)."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # type: ignore[import-not-found, unused-ignore]

Panel = Callable[["Axes"], None]
COLOURS = ("#d9480f", "#f59f00", "#1864ab", "#4dabf7", "#74809a", "#c3c8d4", "#2b8a3e", "#8ce99a")
_DOTS_PER_INCH = 80


def draw(folder: Path, name: str, panels: list[tuple[str, Panel]], *, wide: float = 11.0, high: float = 3.2) -> None:
    """Write NAME.svg and NAME.png with these panels under one another; inches of the whole and of each."""
    try:
        import matplotlib  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        print(f"no picture of {name}: install requirements-bench.txt", file=sys.stderr)
        return
    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 8, "font.sans-serif": "DejaVu Sans"}
    )
    from matplotlib import pyplot  # type: ignore[import-not-found, unused-ignore]

    figure, places = pyplot.subplots(
        len(panels), 1, figsize=(wide, high * len(panels)), layout="constrained", squeeze=False
    )
    for place, (title, panel) in zip(places[:, 0], panels, strict=True):
        panel(place)
        place.set_title(title, loc="left")
        place.spines[["top", "right"]].set_visible(False)
    for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        figure.savefig(folder / f"{name}.{suffix}", dpi=_DOTS_PER_INCH, metadata=metadata)
    _shrink(folder / f"{name}.png")
    _round(folder / f"{name}.svg")
    pyplot.close(figure)


def _round(path: Path) -> None:
    """Keep a tenth of a point and one line for each path."""
    text = re.sub(r"(\.[0-9])[0-9]+", r"\1", path.read_text())
    path.write_text(re.sub(r"\n *(?=[MLQCz\"<])", "\n", re.sub(r" *\n(?=[MLQCz\"])", " ", text)))


def _shrink(path: Path) -> None:
    """Keep few colours: no picture here needs more."""
    from PIL import Image  # type: ignore[import-not-found, unused-ignore]

    with Image.open(path) as image:
        small = image.convert("RGB").quantize(colors=32)
    small.save(path, optimize=True)
