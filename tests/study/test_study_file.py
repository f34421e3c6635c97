"""What a study was asked to do, in its folder."""

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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wings": 2}', "{}"])
def test_a_damaged_one_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / STUDY).write_text(text)
    with pytest.raises(StoreError, match=r"study\.json is damaged \(.*\); run the study anew"):
        StudyFile.load(tmp_path)
