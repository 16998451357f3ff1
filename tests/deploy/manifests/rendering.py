"""Renders overlays with `kubectl kustomize`: offline, without a cluster."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml

from .documents import Fields, Manifests, Value, fields

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "k8s"
EDGES = ("load-balancer", "host-network")
POLICIES = ("open", "rules-integrated", "rules-client")
STORES = ("", "store-write-behind", "store-database")
_ROOTS = "XCAP_SYNC_ROOTS=https://xcap.example.com/root"
EXTRAS = ("keda", "service-monitor")


class CannotRender(Exception):
    """What kustomize said."""


def kubectl() -> str | None:
    """Return where kubectl is: KUBECTL, the first of PATH, or the one that scripts/k8s/validate fetched; else None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return os.environ.get("KUBECTL") or shutil.which("kubectl") or shutil.which(cache / "lamplighter" / "kubectl")


def render(folder: Path) -> Manifests:
    """Return what an overlay renders; CannotRender says why it does not."""
    program = kubectl()
    if program is None:
        raise CannotRender("kubectl is not installed: scripts/k8s/validate fetches it")
    done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise CannotRender(done.stderr.strip())
    return parse(done.stdout)


def parse(text: str) -> Manifests:
    """Return the documents of a text."""
    found: list[Fields] = [fields(one) for one in yaml.safe_load_all(text) if one]
    return Manifests.of(found)


def overlays(folder: Path = FOLDER) -> list[Path]:
    """Return the folders that are rendered as they stand."""
    return sorted([*(path.parent for path in folder.glob("overlays/*/kustomization.yaml"))])


def stores(folder: Path = FOLDER) -> list[Path]:
    """Return the folders of what stands beside the services."""
    return [folder / "nats", folder / "nats" / "from-nodes", folder / "postgres"]


def combinations() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each edge with each configuration and store, and with everything that may be added to the last of these."""
    for edge, policy, store in itertools.product(EDGES, POLICIES, STORES):
        yield edge, tuple(name for name in (policy, store) if name)
    for edge, extra in itertools.product(EDGES, EXTRAS):
        yield edge, (POLICIES[-1], STORES[-1], extra)


def combined(copy: Path, edge: str, components: tuple[str, ...]) -> Path:
    """Write an overlay into a copy of the tree, for kustomize knows relative paths only; return its folder."""
    folder = copy / "overlays" / "-".join((edge, *components))
    folder.mkdir(parents=True, exist_ok=True)
    resources: list[Value] = ["../../base", f"../../edges/{edge}"]
    content: Fields = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [*resources],
        "components": [f"../../components/{name}" for name in components],
    }
    if any(name.startswith("rules") for name in components):
        roots: Fields = {"name": "xcap-sync", "namespace": "lamplighter", "behavior": "merge", "literals": [_ROOTS]}
        content |= {"resources": [*resources, "../../xcap-sync"], "configMapGenerator": [roots]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder
