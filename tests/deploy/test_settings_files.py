"""Every setting of every service is named in the manifests, and nothing else."""

import shutil
from pathlib import Path

import pytest

from .manifests.rendering import FOLDER
from .manifests.services import SETTINGS
from .manifests.settings_files import PLACES, path_of, stale, written


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the manifests."""
    return Path(shutil.copytree(FOLDER, tmp_path / "k8s"))


def test_files_are_as_the_settings_say() -> None:
    assert [*stale()] == []


def test_every_service_has_a_file() -> None:
    assert set(PLACES) == set(SETTINGS)


@pytest.mark.parametrize("service", SETTINGS)
def test_every_setting_is_named(service: str) -> None:
    text = path_of(service).read_text()

    for name, description in SETTINGS[service].variables():
        assert f"{name}=" in text or f"# {name} is read from a Secret." in text
        assert description.split()[0] in text


def test_setting_that_is_not_named_is_told(tree: Path) -> None:
    path = path_of("notifier", tree)
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "NOTIFIER_SWEEP_SECONDS" not in line))

    assert [*stale(tree)] == ["base/settings/notifier.env: is not what the settings say: run scripts/k8s/settings"]


def test_setting_that_does_not_exist_is_told(tree: Path) -> None:
    path = path_of("notifier", tree)
    path.write_text(path.read_text() + "NOTIFIER_SWEEPS=1\n")

    assert "base/settings/notifier.env: NOTIFIER_SWEEPS: notifier does not know it" in [*stale(tree)]


def test_default_that_changed_is_told(tree: Path) -> None:
    path = path_of("sip-edge", tree)
    path.write_text(path.read_text().replace("# SIP_EDGE_MAX_PENDING=20000", "# SIP_EDGE_MAX_PENDING=10000"))

    assert len([*stale(tree)]) == 1


def test_file_that_is_written_anew_keeps_what_is_set() -> None:
    old = "# NOTIFIER_SWEEP_SECONDS=0.05\nNOTIFIER_EDGE_FAILOVER=true\n"

    new = written("notifier", old)

    assert "\nNOTIFIER_EDGE_FAILOVER=true\n" in new
    assert "# NOTIFIER_SWEEP_SECONDS=0.05\n" in new
    assert written("notifier", new) == new


def test_passwords_are_not_to_be_written_into_the_files() -> None:
    for service in ("presence-core", "xcap-sync"):
        assert "POSTGRES_DSN=" not in path_of(service).read_text()
    assert "XCAP_SYNC_PASSWORD=" not in path_of("xcap-sync").read_text()
