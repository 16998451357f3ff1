"""The env files of deploy/k8s: every setting of a service, with its default, as a comment; what is set stays set.

`python -m tests.deploy.manifests.settings_files` writes them.
"""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from lamplighter_runtime.settings import ServiceSettings

from .rendering import FOLDER
from .services import SETTINGS
from .starting import PASSWORDS

PLACES = {
    "presence-core": "base/settings",
    "notifier": "base/settings",
    "sip-edge": "edges/common/settings",
    "xcap-sync": "xcap-sync/settings",
}
_HEAD = """\
# Every setting of {service}. What is set here is so for all; components and overlays set what depends on a choice.
# scripts/k8s/settings writes the comments anew, and keeps the lines that set something.
"""


def path_of(service: str, folder: Path = FOLDER) -> Path:
    """Return where the file of a service is."""
    return folder / PLACES[service] / f"{service}.env"


def written(service: str, old: str) -> str:
    """Return what should stand in the file, with what the old one sets."""
    given = dict(line.split("=", 1) for line in old.splitlines() if "=" in line and not line.startswith("#"))
    parts = [_HEAD.format(service=service)]
    for field, (name, description) in zip(SETTINGS[service].model_fields, SETTINGS[service].variables(), strict=True):
        parts.append("\n".join(_lines(SETTINGS[service], field, name, description, given)) + "\n")
    return "\n".join(parts)


def _lines(
    settings: type[ServiceSettings], field: str, name: str, description: str, given: dict[str, str]
) -> Iterator[str]:
    for line in textwrap.wrap(description, 117) or ["What it says."]:
        yield f"# {line}"
    if name.endswith(PASSWORDS) or settings.model_fields[field].annotation is SecretStr:
        yield f"# {name} is read from a Secret."
    elif name in given:
        yield f"{name}={given[name]}"
    else:
        yield f"# {name}={_text(settings.model_fields[field].default)}"


def _text(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(map(str, default))
        case None:
            return ""
        case _:
            return "" if default is PydanticUndefined else str(default)


def stale(folder: Path = FOLDER) -> Iterator[str]:
    """Yield what is wrong with each file."""
    for service in PLACES:
        path = path_of(service, folder)
        old = path.read_text() if path.exists() else ""
        if old != written(service, old):
            yield f"{path.relative_to(folder)}: is not what the settings say: run scripts/k8s/settings"
        known = {name for name, _ in SETTINGS[service].variables()}
        for line in old.splitlines():
            if line and not line.startswith("#") and line.partition("=")[0] not in known:
                yield f"{path.relative_to(folder)}: {line.partition('=')[0]}: {service} does not know it"


def main() -> int:
    """Write the files."""
    for service in PLACES:
        path = path_of(service)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written(service, path.read_text() if path.exists() else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
