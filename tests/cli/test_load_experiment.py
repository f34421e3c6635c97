import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tunelab.cli.load_experiment import load_experiment
from tunelab.errors import ExperimentError

ONE = 'x = Experiment(name="one", data="wine", model="mlp", optimizer="sgd")\n'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("lone", "beside")):
            del sys.modules[name]


def test_a_neighbour_is_imported_from_the_files_own_folder(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "beside_lone.py").write_text("NAME = 'neighbour'")
    file = write(
        'from beside_lone import NAME\nx = Experiment(name=NAME, data="wine", model="mlp", optimizer="sgd")', "lone.py"
    )
    experiment, path = load_experiment(str(file))
    assert (experiment.name, path) == ("neighbour", file)


def test_one_experiment_under_two_names_is_one(write: Callable[..., Path]) -> None:
    write(ONE + "y = x\n_private = Experiment(name='two', data='wine', model='mlp', optimizer='sgd')", "lone_alias.py")
    assert load_experiment("lone_alias.py")[0].name == "one"


def test_a_private_experiment_may_be_named(write: Callable[..., Path]) -> None:
    write(ONE + "_private = Experiment(name='two', data='wine', model='mlp', optimizer='sgd')", "lone_private.py")
    assert load_experiment("lone_private.py:_private")[0].name == "two"


def test_of_several_that_is_taken_which_is_called_so(write: Callable[..., Path]) -> None:
    write(ONE + ONE.replace("x =", "y =").replace("one", "two"), "lone_several.py")
    assert load_experiment("lone_several.py", "two")[0].name == "two"


def test_the_main_guard_is_not_run(write: Callable[..., Path]) -> None:
    write(ONE + "if __name__ == '__main__':\n    raise RuntimeError", "lone_guard.py")
    assert load_experiment("lone_guard.py")[0].name == "one"


def test_an_error_deeper_down_names_the_files_own_line(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "beside_raises.py").write_text("def fail():\n    raise ValueError('one\\ntwo')\n")
    write("import beside_raises\n\nbeside_raises.fail()", "lone_raises.py")
    with pytest.raises(ExperimentError, match=r"lone_raises.py, line 7: ValueError: one two$"):
        load_experiment("lone_raises.py")


def test_a_file_that_cannot_be_decoded(tmp_path: Path) -> None:
    (tmp_path / "lone_bytes.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(ExperimentError, match=r"lone_bytes.py.*: SyntaxError: .*utf-8"):
        load_experiment("lone_bytes.py")


@pytest.mark.parametrize("name", ["x" * 300 + ".py", "x" * 300 + "/mine.py", "a\0b.py", "\udcff.py"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="there is no file "):
        load_experiment(name)
