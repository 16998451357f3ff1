import json
import os
import stat
from pathlib import Path

import pytest

from lamplighter_cli.data import default_folder, locked, make_folder
from lamplighter_cli.errors import StartFailed


def test_data_folder_in_use_names_its_process(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StartFailed, match=f"in use by process {os.getpid()}"), locked(tmp_path):
        pass


def test_data_folder_let_go_can_be_locked_again(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass

    with locked(tmp_path) as status:
        status.set("core-1", 1)


def test_status_names_what_runs_now(tmp_path: Path) -> None:
    with locked(tmp_path) as status:
        status.set("core-1", 11)
        status.set("edge-1", 12)
        status.set("core-1", None)

        assert json.loads((tmp_path / "status.json").read_text()) == {"edge-1": 12}

    assert not (tmp_path / "status.json").exists()


def test_data_folder_is_made_without_rights_for_others(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"

    make_folder(folder)

    # Root's may be passed through, for the database runs as somebody else.
    assert stat.S_IMODE(folder.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_data_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    make_folder(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StartFailed, match="Not a directory"):
        make_folder(tmp_path / "file" / "folder")


def test_data_folder_of_those_who_name_none_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert default_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/lamplighter")
    assert default_folder({"HOME": "/home/a"}) == Path("/home/a/.local/share/lamplighter")
