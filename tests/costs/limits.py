"""The costs that `limits.json` remembers."""

import asyncio
import json
import sys
from pathlib import Path

from .cases import CASES
from .counting import Cost

FILE = Path(__file__).with_name("limits.json")
MARGIN = 1.25
"""A cost may grow so far before a test fails."""
MARGIN_OF_OTHERS = 1.6
"""The same for an interpreter whose instructions are other ones than those that were counted."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def read() -> tuple[dict[str, Cost], float]:
    """Return the remembered costs by case, and how far today's may be above."""
    kept = json.loads(FILE.read_text())
    costs = {name: Cost(*numbers) for name, numbers in kept["cases"].items()}
    return costs, MARGIN if kept["python"] == VERSION else MARGIN_OF_OTHERS


def write(costs: dict[str, Cost]) -> None:
    """Remember these."""
    lines = [f"    {json.dumps(name)}: [{cost.instructions}, {cost.calls}]" for name, cost in costs.items()]
    text = f'{{\n  "python": "{VERSION}",\n  "cases": {{\n{{}}\n  }}\n}}\n'
    FILE.write_text(text.replace("{}", ",\n".join(lines)))


def main() -> None:
    """Print today's counts beside the remembered ones; with --write, remember today's."""
    before = read()[0] if FILE.exists() else {}
    today: dict[str, Cost] = {name: asyncio.run(case()) for name, case in CASES.items()}
    print(f"{'':34}{'instructions':>22}{'calls':>22}")
    for name, cost in today.items():
        then = before.get(name, Cost())
        instructions, calls = _change(cost.instructions, then.instructions), _change(cost.calls, then.calls)
        print(f"{name:34}{instructions:>22}{calls:>22}")
    if "--write" in sys.argv[1:]:
        write(today)


def _change(now: int, then: int) -> str:
    return f"{now}" if not then else f"{now} ({now / then - 1:+.1%})"
