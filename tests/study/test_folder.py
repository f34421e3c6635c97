"""The folder of a study: numbered, and never taken twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tunelab.errors import StoreError
from tunelab.study.folder import folders, new_folder


def test_folders_are_numbered_from_one(tmp_path: Path) -> None:
    made = [new_folder(tmp_path / "studies", "digits") for _ in range(3)]
    assert [path.name for path in made] == ["digits-1", "digits-2", "digits-3"]
    assert all(path.is_dir() for path in made)


def test_numbers_go_on_behind_the_highest(tmp_path: Path) -> None:
    for name in ("digits-7", "digits-2", "digits-x", "digits-3-1", "digits", "other-9", "digits-²"):
        (tmp_path / name).mkdir()
    assert new_folder(tmp_path, "digits").name == "digits-8"
    assert new_folder(tmp_path, "other").name == "other-10"
    assert new_folder(tmp_path, "digits-3").name == "digits-3-2"


def test_the_newest_comes_first(tmp_path: Path) -> None:
    for name in ("digits-2", "digits-10", "digits-x", "digits-3-1", "digits", "other-11"):
        (tmp_path / name).mkdir()
    assert [path.name for path in folders(tmp_path, "digits")] == ["digits-10", "digits-2"]
    assert folders(tmp_path / "nowhere", "digits") == []


def test_a_number_once_taken_is_not_given_again(tmp_path: Path) -> None:
    first, second = new_folder(tmp_path, "a"), new_folder(tmp_path, "a")
    first.rmdir()
    assert new_folder(tmp_path, "a").name == "a-3"
    assert second.exists()


def test_processes_that_start_at_once_share_no_folder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, time\nfrom tunelab.study.folder import new_folder\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        f"for _ in range(25): print(new_folder(pathlib.Path({str(tmp_path)!r}), 'digits').name)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    said = ""
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        said += process.communicate(timeout=30)[0]
    names = said.split()
    assert len(names) == 100
    assert len(set(names)) == 100


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_no_folder_can_be_made_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"no study folder can be made in .*; run where you may write"):
        new_folder(tmp_path / place, "digits")


def test_a_disk_that_says_no_is_reported_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=f"{tmp_path}: Permission denied"):
        new_folder(tmp_path, "digits")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_place_that_no_folder_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no study folder can be made in "):
        new_folder(tmp_path / name, "digits")
