"""A law that cannot fail holds nothing: each broken plugin fails the law that it breaks, which says why."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tunelab import testing

from . import broken_plugins as broken

pytest_plugins = ["pytester"]

ALONE = "test_a_member_trains_alike_alone_and_among_others"
TESTS = Path(__file__).parents[1]
WHICHEVER = "test_a_step_has_the_same_factor_whichever_steps_are_asked_for_with_it"
REMEMBERS = "test_what_it_remembers_is_a_function_of_its_own_metrics"
SHAPES = "test_outputs_have_the_shape_that_the_loss_needs"
OWN = f"{ALONE}_of_its_rule"
BROKEN: list[tuple[Any, str, str]] = [
    (broken.NormOfAllMembers(), OWN, r"member 0 .* trains otherwise in a population of 16 than alone: after step \d"),
    (broken.NormOfAllMembers(), "test_a_neighbour_that_diverges_changes_nothing", "Contract: axis 0"),
    (broken.CentresAcrossMembers(), OWN, "trains otherwise in a population of 16 than alone"),
    (broken.NormOfAMember(), "test_any_part_of_the_parameters_may_be_updated_at_a_time", 'declares sees = "tensors"'),
    (broken.RemembersOnItself(), "test_training_twice_gives_the_same_bits", "state in its slots, never on itself"),
    (broken.RemembersOnItself(), "test_saved_and_resumed_equals_uninterrupted", "all that a rule keeps between steps"),
    (broken.DrawsItsOwnNoise(), "test_training_twice_gives_the_same_bits", "a rule draws no random numbers"),
    (broken.RatesOfTheFirst(), OWN, "trains otherwise in a population of 16 than alone"),
    (broken.RatesOfTheFirst(), "test_the_order_of_members_changes_nothing", "trains otherwise in another place"),
    (broken.DividesByTheGradient(), "test_a_gradient_of_zero_keeps_everything_finite", "is nan after step 50"),
    (broken.Rebinds(), "test_it_changes_theta_in_place", "theta did not move in .* writes into theta"),
    (broken.KeepsItsOwnRate(), "test_a_learning_rate_that_moves_is_followed", "theta stays as it was"),
    (broken.Climbs(lr=0.01), "test_it_lowers_a_quadratic", "sign of the step|diverged"),
    (broken.UndeclaredSlot(), "test_its_slots_are_declared_and_used", r"reads slots\['velocity'\], .* declares none"),
    (broken.UnusedSlot(), "test_its_slots_are_declared_and_used", "slot 'square' is declared and never changed"),
    (broken.ReadsScratch(), "test_it_changes_theta_in_place", "diverged: training loss was nan"),
    (broken.DefaultOutsideItsRange(), "test_it_keeps_the_contract", "default 0.5 lies outside its own range"),
    (broken.Unhashable(), "test_it_keeps_the_contract", "must be hashable, so use tuples"),
    (broken.TotalOfTheLongest(), "test_a_member_has_the_same_factors_alone_and_among_others", "in a population of 6"),
    (broken.FieldOfTheFirst(), "test_a_member_has_the_same_factors_alone_and_among_others", "factor of step 1 is"),
    (broken.CountsItsCalls(), WHICHEVER, "asked for a second time"),
    (broken.FactorOfTheBatchOfSteps(), WHICHEVER, "asked for by itself"),
    (broken.DividesByTheRest(), "test_factors_are_finite_and_not_negative", "at step 6 of 7 .* the factor is inf"),
    (broken.BelowZero(), "test_factors_are_finite_and_not_negative", "finite and at least 0"),
    (broken.ChangesItsMemory(), REMEMBERS, "observe must return a new mapping"),
    (broken.ForgetsAName(), REMEMBERS, "the names must stay those of memory"),
    (broken.WrongGradient(), "test_the_gradient_is_the_central_difference", r"the gradient of Dense.weight\[0, 0\]"),
    (broken.MixesMembers(), ALONE, "Contract: axis 0 of inputs, outputs and parameters is the members"),
    (broken.NoBiasGradient(), "test_every_gradient_is_written_and_finite", r"not write it into grads\['bias'\]"),
    (broken.Noisy(), "test_training_twice_gives_the_same_bits", "random numbers come from tape.uniform"),
    (broken.NeverEqual(), "test_it_lays_out_equal_layers_each_time", "its trials never train together"),
    (broken.AList(), "test_it_lays_out_equal_layers_each_time", "layers must return a tuple, was list"),
    (
        broken.TooManyOutputs(),
        SHAPES,
        r"\(2, 49, 3\), were \(2, 49, 4",
    ),
    (
        broken.ChangesItsInputs(),
        SHAPES,
        "read-only. Contract: forward leaves its inputs as they are",
    ),
    (broken.Shuffles(), "test_loading_twice_gives_the_same_rows", "the rows are the same in another order"),
    (broken.LendsItsRows(), "test_loading_twice_gives_the_same_rows", "in arrays of their own"),
    (broken.OneMissing(), "test_features_are_finite_rows", r"x\[3, 1\] is nan; fill or drop"),
    (broken.WholeNumbers(), "test_features_are_finite_rows", "x must be float, was int64"),
    (broken.Images(), "test_features_are_finite_rows", r"must be \(rows, features\), was \(40, 3, 1\)"),
    (broken.ShapedAmiss(), "test_a_row_is_what_it_says", r"shape \(1, 2, 2\) is 4 numbers a row, and x has 3"),
    (broken.HalfSymbols(), "test_a_row_is_what_it_says", "x of 3 symbols must be whole numbers from 0 to 2"),
    (broken.LabelsFromOne(), "test_targets_are_what_they_say", "must run from 0 to 1, ran from 1 to 2"),
    (broken.FlatValues(), "test_targets_are_what_they_say", r"values must be \(rows, outputs\), were \(40,\)"),
]
SOUND = [broken.Sound(), broken.Fall(), broken.Net(), broken.Rows()]
KINDS = {"optimizer": "Optimizer", "schedule": "Schedule", "model": "Model", "dataset": "Dataset"}


Failures = Mapping[tuple[str, str], str]


def author_file(plugins: Sequence[Any]) -> str:
    """Return what an author would write: a test class of three lines for each plugin."""
    lines = ["import pytest", "from testing.broken_plugins import *", "from tunelab import testing"]
    for plugin in plugins:
        bases = [base.__name__ for base in type(plugin).mro()]
        kind = next(name for name, contract in KINDS.items() if contract in bases)
        lines += [
            f"class Test{type(plugin).__name__}(testing.{KINDS[kind]}Conformance):",
            "    @pytest.fixture",
            f"    def {kind}(self): return {plugin!r}",
        ]
    return "\n".join([*lines, ""])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Failures:
    """What pytest says of each law of each author's file, empty where it passed; one run, since each takes 1 s."""
    folder = tmp_path_factory.mktemp("authors")
    (folder / "test_authors.py").write_text(author_file(list({type(p): p for p, *_ in BROKEN}.values()) + SOUND))
    laws = [f"test_authors.py::Test{type(plugin).__name__}::{law}" for plugin, law, _ in BROKEN]
    sound = [f"test_authors.py::Test{type(plugin).__name__}" for plugin in SOUND]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--junitxml=told.xml"]
    command = [sys.executable, "-m", "pytest", *options, *dict.fromkeys([*laws, *sound])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    found: dict[tuple[str, str], str] = {}
    for case in ElementTree.parse(folder / "told.xml").iter("testcase"):
        key = case.attrib["classname"].split(".Test")[-1], case.attrib["name"].split("[")[0]
        found[key] = found.get(key, "") + "".join(failure.attrib["message"] for failure in case)
    return found


@pytest.mark.parametrize(
    ("plugin", "law", "says"), BROKEN, ids=[f"{type(plugin).__name__}-{law}" for plugin, law, _ in BROKEN]
)
def test_a_broken_plugin_fails_the_law_that_it_breaks(plugin: Any, law: str, says: str, results: Failures) -> None:
    said = results[type(plugin).__name__, law]
    assert re.search(says, said, re.S), said


@pytest.mark.parametrize("plugin", SOUND, ids=lambda plugin: type(plugin).__name__)
def test_what_they_are_made_from_is_sound(plugin: Any, results: Failures) -> None:
    own = {law: said for (name, law), said in results.items() if name == type(plugin).__name__}
    assert len(own) >= 6
    assert not any(own.values()), own


@pytest.mark.parametrize("name", testing.__all__)
def test_a_suite_without_its_fixture_says_which_is_missing(name: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"from tunelab.testing import {name}\n\nclass TestMine({name}):\n    pass\n")
    said = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider").stdout.str()
    assert f"define a fixture named `{name.removesuffix('Conformance').lower()}`" in said
