"""Each import rule is seen to fail once: a rule that cannot fail guards nothing."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONFIG = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["tool"]["importlinter"]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

VIOLATIONS = [
    ("services", "notifier", "import sip_edge"),
    ("services", "lamplighter_runtime", "import presence_core"),
    ("services", "lamplighter_proto", "import lamplighter_runtime.clock"),
    ("services", "event_packages", "import lamplighter_proto"),
    ("services", "sip", "import event_packages"),
    ("pure", "sip", "import asyncio"),
    ("pure", "event_packages", "import socket"),
    ("pure", "lamplighter_proto", "from time import time"),
    ("pure", "presence_core.domain", "import logging"),
    ("pure", "presence_core.domain", "from lamplighter_runtime import clock"),
    ("pure", "notifier.domain", "import nats"),
    ("pure", "xcap_sync.domain", "import random"),
    ("sip", "presence_core", "from sip import message"),
    ("sip", "xcap_sync", "import sip"),
    ("events", "sip_edge", "import event_packages"),
    ("database", "sip_edge", "import asyncpg"),
    ("database", "notifier", "from lamplighter_runtime import database"),
    ("inside", "presence_core.domain", "from presence_core import service"),
    ("inside", "xcap_sync.service", "from xcap_sync import __main__"),
]


def sources() -> list[Path]:
    """Return the source folder of every member."""
    members = ("proto", "libs/*", "services/*", "cli")
    return [manifest.with_name("src") for member in members for manifest in ROOT.glob(f"{member}/pyproject.toml")]


def module_file(tree: Path, module: str) -> Path:
    path = tree.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def broken(tree: Path, contract: str) -> bool:
    """Return whether a contract is broken in a tree that holds all packages side by side."""
    environ = os.environ | {"PYTHONPATH": str(tree)}
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo", "--contract", contract]
    result = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    assert "Contracts:" in result.stdout, result.stdout + result.stderr
    return "1 broken" in result.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for source in sources():
        shutil.copytree(source, tree, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


@pytest.mark.parametrize(("contract", "module", "line"), VIOLATIONS)
def test_import_rule_with_a_planted_violation_fails(tree: Path, contract: str, module: str, line: str) -> None:
    file = module_file(tree, module)
    before = file.read_text()

    file.write_text(f"{before}\n{line}\n")
    result = broken(tree, contract)
    file.write_text(before)

    assert result


@pytest.mark.parametrize("contract", [contract["id"] for contract in CONFIG["contracts"]])
def test_import_rule_holds(tree: Path, contract: str) -> None:
    assert not broken(tree, contract)


def test_import_rules_each_have_a_planted_violation() -> None:
    assert {contract["id"] for contract in CONFIG["contracts"]} == {contract for contract, _, _ in VIOLATIONS}


def test_import_rules_look_at_every_package() -> None:
    packages = {path.parent.name for source in sources() for path in source.glob("*/__init__.py")}

    assert set(CONFIG["root_packages"]) == packages


def test_import_rules_call_every_domain_pure() -> None:
    domains = {f"{path.parent.parent.name}.domain" for source in sources() for path in source.glob("*/domain/*.py")}
    (pure,) = [contract for contract in CONFIG["contracts"] if contract["id"] == "pure"]

    assert domains <= set(pure["source_modules"])
