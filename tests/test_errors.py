"""The exception tree, and the end of a message."""

import inspect

import pytest

from tunelab import errors
from tunelab.errors import InputError, RunError, TunelabError, suggestion

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass)]


def drawn() -> dict[str, str]:
    """Return each class of the docstring's tree with the class that it hangs from."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.strip(" │├└─").split(" ")[0]
        if name.isidentifier() and name[0].isupper() and hasattr(errors, name):
            depth = (len(line) - len(line.lstrip(" │├└─"))) // 4
            path[depth - 1 :] = [name]
            parents[name] = path[-2] if len(path) > 1 else "Exception"
    return parents


def test_the_tree_is_as_drawn() -> None:
    assert drawn() == {found.__name__: found.__base__.__name__ for found in CLASSES}


def test_bad_input_and_failure_are_told_apart() -> None:
    assert not issubclass(InputError, RunError)
    assert not issubclass(RunError, InputError)
    assert all(issubclass(found, TunelabError) for found in CLASSES)


def test_pydantic_swallows_none_of_them() -> None:
    assert not any(issubclass(found, ValueError | AssertionError) for found in CLASSES)


@pytest.mark.parametrize(
    ("given", "known", "says"),
    [
        ("adm", ["sgd", "adam"], "did you mean 'adam'? Known: adam, sgd"),
        ("Adam", ["sgd", "adam"], "did you mean 'adam'? Known: adam, sgd"),
        ("xyz", ["sgd", "adam"], "Known: adam, sgd"),
        ("xyz", [], "Known: none"),
        ("", ["sgd"], "Known: sgd"),
    ],
)
def test_a_suggestion_names_what_is_near_and_all_that_is_known(given: str, known: list[str], says: str) -> None:
    assert suggestion(given, known) == says


def test_a_suggestion_names_three_at_most() -> None:
    said = suggestion("step", [f"step{i}" for i in range(9)])
    assert said.count(" or ") == 2
