"""`tunelab run FILE --resume`: what `tunelab resume` does, by the experiment's file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Tunelab

pytestmark = pytest.mark.usefixtures("store")

BOWLS = """
from pathlib import Path
from tunelab.models import Quadratic

bowl = Experiment(name="bowl", model=Quadratic(), optimizer=Choice(SGD, Adam), epochs=2, steps_per_epoch=4)
other = Experiment(name="other", model=Quadratic(), optimizer="adam", epochs=2, steps_per_epoch=4)
with Path("read.txt").open("a") as file:
    file.write("once ")
"""


@pytest.fixture
def file(write: Callable[..., Path]) -> str:
    return str(write(BOWLS, "bowls.py"))


def cut_off(home: Path, rounds: int) -> None:
    """Leave of a study that ended what a crash after so many rounds would have."""
    known = (home / "rounds.jsonl").read_bytes().splitlines(keepends=True)
    (home / "rounds.jsonl").write_bytes(b"".join(known[:rounds]))
    settings = json.loads((home / "study.json").read_text())
    (home / "study.json").write_text(json.dumps(settings | {"finished": False}))


def test_it_goes_on_with_the_last_that_is_unfinished_or_the_one_that_is_named(
    tunelab: Tunelab, file: str, tmp_path: Path
) -> None:
    for seed in range(2):
        done = tunelab("run", f"{file}:bowl", "--trials", "8", "--seed", str(seed), "--executor", "inline", "--json")
        assert done.returncode == 0, done.stderr
    studies = [tmp_path / "studies" / f"bowl-{number}" for number in (1, 2)]
    whole = [(home / "rounds.jsonl").read_text() for home in studies]
    shutil.copytree(studies[1], tmp_path / "studies" / "bowl-3")  # it has ended
    for home in studies:
        cut_off(home, 2)
    refused = shutil.copytree(studies[1], tmp_path / "studies" / "bowl-4")
    (refused / "rounds.jsonl").unlink()  # it was refused before anything trained
    (tmp_path / "read.txt").unlink()
    last = tunelab("run", f"{file}:bowl", "--resume", "--json")
    assert last.returncode == 0, last.stderr
    assert (tmp_path / "read.txt").read_text() == "once "
    told = json.loads(last.stdout.splitlines()[-1])
    assert (told["study"], told["trials"]) == ("bowl-2", 8)
    named = tunelab("run", file, "--resume", "bowl-1", "--executor", "inline", "--json")
    assert named.returncode == 0, named.stderr
    assert json.loads(named.stdout.splitlines()[-1])["study"] == "bowl-1"
    assert [len((home / "rounds.jsonl").read_text().splitlines()) for home in studies] == [
        len(each.splitlines()) for each in whole
    ]
    ended = tunelab("run", f"{file}:bowl", "--resume")
    assert ended.returncode == 2
    assert "no study of bowl is unfinished: the last, bowl-3, has ended; run it without --resume" in ended.stderr
    assert sorted(path.name for path in (tmp_path / "studies").iterdir()) == [f"bowl-{n}" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--resume",), "no study of bowl is unfinished: studies has no study of it"),
        (("--resume", "--seed", "0", "--trials", "9"), "keeps its settings; leave --trials, --seed out, or --resume"),
        (("--resume", "--backend", "torch"), "keeps its settings; leave --backend out"),
        (("--resume", "bowl-1", "--widen"), "keeps its settings; leave --widen out"),
        (("--resume", "bowl-7"), "studies/bowl-7 is no study's folder"),
        (("bowl-1",), "bowl-1: to go on with a study, add --resume; to run a new one, leave bowl-1 out"),
    ],
)
def test_what_it_does_not_do_is_said(
    arguments: tuple[str, ...], says: str, tunelab: Tunelab, file: str, tmp_path: Path
) -> None:
    refused = tunelab("run", f"{file}:bowl", *arguments)
    assert refused.returncode == 2
    assert says in refused.stderr
    assert not (tmp_path / "studies").exists()
