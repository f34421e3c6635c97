"""Plugins: listed without an import, found by name, checked before anybody sees them; a broken one hides no other."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tunelab import Choice, Experiment
from tunelab.contracts import Plugin
from tunelab.errors import PluginError
from tunelab.models import Quadratic
from tunelab.optimizers import SGD, AdamW
from tunelab.plugins import CONTRACTS, Listing, announced, listings, load, name_of, validate
from tunelab.tracking.memory import MemoryTracker

GOOD = '''
from typing import Annotated
from pydantic import PositiveFloat
from tunelab.contracts import Rule as Base
from tunelab.space import Float

class Half(Base):
    """Half a step against the gradient."""

    lr: Annotated[PositiveFloat, Float(1e-3, 1.0, log=True)] = 0.1

    def update(self, xp, theta, grad, slots, k, scratch):
        xp.multiply(grad, k.lr, out=grad)
        xp.multiply(grad, 0.5, out=grad)
        xp.subtract(theta, grad, out=theta)
'''
HEAD = GOOD.split("class Half")[0]
BROKEN: Mapping[str, tuple[str, str]] = {
    "absent-module": ("", r"cannot be loaded: ModuleNotFoundError: No module named"),
    "raises": ("raise RuntimeError('no licence')", "cannot be loaded: RuntimeError: no licence"),
    "absent-package": ("import no_such_package", "cannot be loaded: ModuleNotFoundError: .*'no_such_package'"),
    "absent-class": ("x = 1", "cannot be loaded: AttributeError: .*'Rule'"),
    "syntax": ("class Rule(", "cannot be loaded: SyntaxError"),
    "no-class": ("Rule = 3", "must be a subclass of tunelab.contracts.Optimizer, was 3"),
    "no-subclass": ("class Rule: pass", "must be a subclass of tunelab.contracts.Optimizer, was <class"),
    "wrong-kind": (
        "from tunelab.schedules import Constant as Rule",
        "must be a subclass of tunelab.contracts.Optimizer, was <class 'tunelab.schedules",
    ),
    "abstract": (HEAD + "class Rule(Base):\n    lr: float = 0.1\n", "must define update"),
    "default": (
        GOOD.replace("class Half", "class Rule").replace("= 0.1", "= -0.1"),
        "has a range or default outside its own bounds: Rule: lr: input should be greater than 0, was -0.1",
    ),
    "range": (
        GOOD.replace("class Half", "class Rule").replace("Float(1e-3, 1.0, log=True)", "Float(0, 1)"),
        r"has a range or default outside its own bounds: Rule: lr=Float\(0.0, 1.0\): input should be greater than 0",
    ),
    "options": (
        GOOD.replace("class Half", "class Rule")
        .replace("Float(1e-3, 1.0, log=True)", "Choice(0.1, None)")
        .replace("import Float", "import Choice"),
        "has a range or default outside its own bounds: .*None",
    ),
    "labels": (
        HEAD.replace("import Float", "import Choice") + "class Rule(Base):\n    lr: float = 0.1\n"
        "    betas: Annotated[tuple[float, ...], Choice((0.9,), (0.5,))] = (0.9,)\n    def update(self): ...\n",
        r"has a range or default outside its own bounds: a Choice takes text, numbers.*\(0.9,\)",
    ),
    "bad-range": (
        GOOD.replace("class Half", "class Rule").replace("Float(1e-3, 1.0, log=True)", "Float(2, 1)"),
        "cannot be loaded: SpaceError: .*swap",
    ),
}


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    known = set(sys.modules)
    announced.cache_clear()
    load.cache_clear()
    yield
    announced.cache_clear()
    load.cache_clear()
    for name in set(sys.modules) - known:
        if name.startswith("third_party"):
            del sys.modules[name]


class Shelf:
    """A folder on the path, in which distributions can be installed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def install(
        self, name: str, points: Mapping[str, str], code: str = "", *, group: str = "optimizers", module: str = ""
    ) -> None:
        about = self.root / f"{name.replace('-', '_')}-1.2.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [f"{point} = {target}" for point, target in points.items()]
        (about / "entry_points.txt").write_text("\n".join([f"[tunelab.{group}]", *lines, ""]))
        if code:
            (self.root / f"{module}.py").write_text(code)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    (tmp_path / "shelf").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "shelf")
    return Shelf(tmp_path / "shelf")


# ---- listing


def test_listing_imports_no_plugin() -> None:
    code = (
        "import sys; from tunelab.plugins import CONTRACTS, listings; print(sum(len(listings(k)) for k in CONTRACTS));"
        "print([m for m in sys.modules if m.startswith(('tunelab.optimizers', 'tunelab.schedules', 'tunelab.models',"
        " 'tunelab.data', 'optuna', 'mlflow', 'sklearn', 'pandas', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, imported = done.stdout.splitlines()
    assert int(count) >= 30
    assert imported == "[]"


def test_a_listing_says_who_brings_what(shelf: Shelf) -> None:
    shelf.install("third-party", {"half": "third_party_half:Half"})
    assert listings("optimizer")["half"] == (
        Listing("optimizer", "half", "third-party", "1.2", "third_party_half:Half"),
    )
    (adam,) = listings("optimizer")["adam"]
    assert (adam.distribution, adam.target) == ("tunelab", "tunelab.optimizers.adam:Adam")


def test_a_distributions_name_is_read_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many plugins it announces, and never where it announces none: that was most of what listing cost."""
    shelf.install("third-party", {"half": "third_party_half:Half", "third": "third_party_half:Third"})
    shelf.install("bystander", {"hello": "world:Hello"}, group="greetings")
    read: list[str] = []

    def counting(original: Callable[[Any, Any], str | None]) -> Callable[[Any, Any], str | None]:
        def read_text(self: Any, filename: Any) -> str | None:
            if filename == "METADATA":
                read.append(str(self._path.name))
            return original(self, filename)

        return read_text

    for finder in {type(found) for found in distributions()}:  # the importlib_metadata package brings one of its own
        monkeypatch.setattr(finder, "read_text", counting(finder.read_text))
    for kind in CONTRACTS:
        assert listings(kind)
    assert read.count("third_party-1.2.dist-info") == 1
    assert "bystander-1.2.dist-info" not in read


def test_names_are_sorted_and_kinds_do_not_mix() -> None:
    for kind in CONTRACTS:
        assert list(listings(kind)) == sorted(listings(kind))
    assert "constant" in listings("schedule")
    assert "constant" not in listings("optimizer")


def test_every_built_in_loads_and_keeps_its_contract() -> None:
    for kind, contract in CONTRACTS.items():
        for name in listings(kind):
            plugin = load(kind, name)
            assert issubclass(plugin, contract)
            assert name_of(plugin) == name


def test_one_distribution_seen_twice_is_one(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shelf.install("third-party", {"half": "third_party_half:Half"}, GOOD, module="third_party_half")
    other = tmp_path / "again"
    other.mkdir()
    Shelf(other).install("third-party", {"half": "third_party_half:Half"})
    monkeypatch.syspath_prepend(other)
    assert load("optimizer", "half").__name__ == "Half"


# ---- loading


def test_an_unknown_name_suggests_near_ones() -> None:
    with pytest.raises(PluginError, match=r"no optimizer named 'adm'; did you mean 'adam' or .*\? Known: adadelta"):
        load("optimizer", "adm")


def test_a_third_partys_name_is_suggested_too(shelf: Shelf) -> None:
    shelf.install("third-party", {"halving": "third_party_half:Half"})
    with pytest.raises(PluginError, match="did you mean 'halving'"):
        load("optimizer", "halvin")


def test_one_name_of_two_distributions_is_refused_and_names_both(shelf: Shelf) -> None:
    shelf.install("first", {"half": "third_party_a:Half"}, GOOD, module="third_party_a")
    shelf.install("second", {"half": "third_party_b:Half", "other": "third_party_b:Half"}, GOOD, module="third_party_b")
    with pytest.raises(PluginError) as caught:
        load("optimizer", "half")
    said = str(caught.value)
    assert said.startswith("two distributions bring the optimizer 'half': ")
    assert "first 1.2 (third_party_a:Half)" in said
    assert "second 1.2 (third_party_b:Half)" in said
    assert said.endswith("uninstall one")
    assert load("optimizer", "other").__name__ == "Half"
    assert load("optimizer", "adam").__name__ == "Adam"


def test_a_name_of_tunelabs_own_cannot_be_taken_over(shelf: Shelf) -> None:
    shelf.install("intruder", {"adam": "third_party_half:Half"}, GOOD, module="third_party_half")
    with pytest.raises(PluginError, match=r"intruder 1.2 .*tunelab|tunelab .* and intruder 1.2"):
        load("optimizer", "adam")
    assert load("optimizer", "sgd") is SGD


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_fails_when_asked_for_with_its_cause_and_hides_no_other(shelf: Shelf, name: str) -> None:
    code, says = BROKEN[name]
    module = f"third_party_{name.replace('-', '_')}"
    shelf.install("third-party", {name: f"{module}:Rule"}, code, module=module)
    assert name in listings("optimizer")
    assert load("optimizer", "adamw") is AdamW
    with pytest.raises(PluginError, match=f"the optimizer '{name}' of third-party 1.2 .{module}:Rule. {says}"):
        load("optimizer", name)
    with pytest.raises(PluginError, match=r"of third-party 1\.2"):
        Experiment(name="bowl", model=Quadratic(), optimizer=Choice("sgd", name))
    assert load("optimizer", "adam").__name__ == "Adam"


def test_a_broken_plugins_cause_is_kept(shelf: Shelf) -> None:
    shelf.install("third-party", {"bad": "third_party_bad:Rule"}, "1 / 0", module="third_party_bad")
    with pytest.raises(PluginError) as caught:
        load("optimizer", "bad")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_mended_plugin_loads_in_the_same_process(shelf: Shelf) -> None:
    shelf.install("third-party", {"half": "third_party_half:Half"})
    with pytest.raises(PluginError, match="ModuleNotFoundError"):
        load("optimizer", "half")
    (shelf.root / "third_party_half.py").write_text(GOOD)
    import importlib

    importlib.invalidate_caches()
    assert load("optimizer", "half").__name__ == "Half"


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_third_partys_plugin_trains(shelf: Shelf, tmp_path: Path, executor: str) -> None:
    shelf.install("third-party", {"half": "third_party_half:Half"}, GOOD, module="third_party_half")
    experiment = Experiment(
        name="bowl",
        model=Quadratic(),
        optimizer=Choice("half", SGD(lr=0.1)),
        epochs=2,
        steps_per_epoch=3,
        dtype="float64",
    )
    assert Experiment.from_json(experiment.to_json()) == experiment
    study = experiment.run(trials=6, executor=executor, tracker=MemoryTracker(), folder=tmp_path / "studies")
    first = study.trials[0]
    assert first.trial.params["optimizer"] == "half"
    assert first.trial.params["optimizer.lr"] == 0.1
    assert first.value == pytest.approx((1 - 0.1) ** 12, rel=1e-12)  # theta <- theta (1 - 2 lr / 2), six times, squared
    assert "optimizer.half.lr" in study.optuna.trials[0].params


# ---- names


def test_a_class_that_nobody_announces_has_its_own_name() -> None:
    class MyRule(SGD):
        pass

    assert name_of(MyRule) == "myrule"
    assert name_of(AdamW) == "adamw"


@pytest.mark.parametrize("given", [None, 3, "adam", SGD(), int, Plugin])
def test_what_is_no_optimizer_is_refused(given: object) -> None:
    with pytest.raises(PluginError, match=r"the thing must be a subclass of tunelab\.contracts\.Optimizer"):
        validate(given, CONTRACTS["optimizer"], "thing")
