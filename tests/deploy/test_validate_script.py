"""`scripts/k8s/validate` says what is wrong, and why it does not look."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .faults import need_kubectl
from .manifests.rendering import FOLDER, ROOT, kubectl

SCRIPT = ROOT / "scripts" / "k8s" / "validate"
TOOLS = ("bash", "env", "dirname", "awk")


def run(environ: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the script to its end."""
    return subprocess.run([SCRIPT, *arguments], env=environ, capture_output=True, text=True, timeout=240)


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine that is no Debian and has no kubectl."""
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found
        (tmp_path / tool).symlink_to(found)
    return {"PATH": str(tmp_path), "HOME": str(tmp_path)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the manifests."""
    need_kubectl()
    return Path(shutil.copytree(FOLDER, tmp_path / "k8s"))


def validate(overlay: Path) -> "subprocess.CompletedProcess[str]":
    """Run the script on one overlay."""
    return run(dict(os.environ) | {"KUBECTL": str(kubectl())}, str(overlay))


def test_validate_without_kubectl_skips_and_says_why(bare: dict[str, str]) -> None:
    done = run(bare)

    assert done.returncode == 0
    assert "not checked, for kubectl is not installed and cannot be fetched" in done.stderr
    assert "this is no Debian" in done.stderr


def test_validate_without_kubectl_fails_where_clients_are_required(bare: dict[str, str]) -> None:
    done = run(bare | {"REQUIRE_CLIENTS": "1"})

    assert done.returncode == 1


def test_validate_of_an_overlay_without_a_fault_passes(tree: Path) -> None:
    done = validate(tree / "overlays" / "dev")

    assert (done.returncode, done.stderr) == (0, "")


def test_validate_of_an_overlay_with_a_fault_fails(tree: Path) -> None:
    path = tree / "base" / "notifier.yaml"
    path.write_text(path.read_text().replace("path: /readyz", "path: /ready"))

    done = validate(tree / "overlays" / "dev")

    assert done.returncode == 1
    assert "notifier does not answer /ready" in done.stderr


def test_validate_of_an_overlay_that_does_not_render_fails(tree: Path) -> None:
    (tree / "base" / "notifier.yaml").unlink()

    done = validate(tree / "overlays" / "dev")

    assert done.returncode == 1
    assert "notifier.yaml" in done.stderr


def test_validate_of_a_component_for_nobody_fails(tree: Path) -> None:
    path = tree / "overlays" / "dev" / "kustomization.yaml"
    path.write_text(path.read_text().replace("components/open", "components/rules-client"))

    done = validate(tree / "overlays" / "dev")

    assert done.returncode == 1
    assert "xcap-sync" in done.stderr
