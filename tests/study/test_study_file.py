"""What a study was asked to do, in its folder."""

import os
from pathlib import Path

import pytest

from tunelab.errors import StoreError
from tunelab.study.study_file import STUDY, StudyFile


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "no-1", "a\nb", "a\0b", "x" * 300, "\udcff", "digits-1/file"])
def test_what_is_no_studys_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "digits-1").mkdir()
    (tmp_path / "digits-1/file").touch()
    with pytest.raises(StoreError, match=r"(?s)is no study's folder: it has no study\.json"):
        StudyFile.load(tmp_path / name)


def test_other_studies_beside_it_are_named(tmp_path: Path) -> None:
    for name in ("a-1", "a-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / STUDY).touch()
    with pytest.raises(StoreError, match=r"it has no study\.json; .*: did you mean .*Known: a-1, a-2$"):
        StudyFile.load(tmp_path / "a-3")


def test_it_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk: dict[int, int] = {}
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        on_disk[os.fstat(descriptor).st_ino] = os.fstat(descriptor).st_size

    def moved(source: Path, target: Path) -> None:
        assert on_disk[source.stat().st_ino] == source.stat().st_size > 0
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    file = StudyFile("{}", None, 8, None, 0, None, "tpe", "none", "narrow", None, 1, None)
    file.save(tmp_path)
    assert StudyFile.load(tmp_path) == file
    assert [path.name for path in tmp_path.iterdir()] == [STUDY]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wings": 2}', "{}"])
def test_a_damaged_one_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / STUDY).write_text(text)
    with pytest.raises(StoreError, match=r"study\.json is damaged \(.*\); run the study anew"):
        StudyFile.load(tmp_path)
