"""Hypothesis strategies: ranges, and experiments of every spelling."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from tunelab import Choice, Experiment, Float, Int
from tunelab.encoding import node_of
from tunelab.models import MLP, Branin, Function, Quadratic
from tunelab.optimizers import SGD, Adam, AdamW, GradientDescent, Momentum
from tunelab.plugins import Kind
from tunelab.schedules import SGDR, WSD, Constant, Cosine, Exponential, Linear, MultiStep, Step, Then

settings.register_profile("same every time", derandomize=True, deadline=None)
settings.load_profile("same every time")


@st.composite
def floats_within(draw: st.DrawFn, low: float, high: float, *, log: bool = True, near_one: bool = False) -> Float:
    """Return a range inside [low, high], on any axis that it may have."""
    ends = sorted((draw(st.floats(low, high)), draw(st.floats(low, high))))
    axes: list[dict[str, bool]] = [{}]
    if log and ends[0] > 0:
        axes.append({"log": True})
    if near_one and ends[1] < 1:
        axes.append({"complement_log": True})
    return Float(*ends, **draw(st.sampled_from(axes)))


@st.composite
def any_float(draw: st.DrawFn) -> Float:
    """Return any valid range of real numbers."""
    kind = draw(st.sampled_from(["plain", "log", "complement_log"]))
    if kind == "plain":
        ends = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000)
    elif kind == "log":
        ends = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
    else:
        ends = st.floats(max_value=1, exclude_max=True, min_value=-1e300)
    low, high = sorted((draw(ends), draw(ends)))
    return Float(low, high, log=kind == "log", complement_log=kind == "complement_log")


@st.composite
def any_int(draw: st.DrawFn) -> Int:
    """Return any valid range of whole numbers."""
    log = draw(st.booleans())
    ends = st.integers(1 if log else -(10**9), 10**9)
    low, high = sorted((draw(ends), draw(ends)))
    return Int(low, high, step=1 if log else draw(st.integers(1, 10**6)), log=log)


def any_choice() -> st.SearchStrategy[Choice]:
    """Return a choice of plain values that differ."""
    value = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
    return st.lists(value, min_size=1, max_size=5, unique=True).map(lambda options: Choice(*options))


def number(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


def optimizer() -> st.SearchStrategy[Any]:
    """Return one optimizer, fixed or searched, by name, class, instance or search."""
    lr = number(1e-6, 10.0) | floats_within(1e-6, 10.0) | st.just(Choice(0.1, 0.01))
    beta = number(0.0, 0.999) | floats_within(0.0, 0.999, log=False, near_one=True)
    return st.one_of(
        st.sampled_from(["sgd", "heavy-ball", "adagrad", "rmsprop", SGD, Momentum, GradientDescent, "nesterov"]),
        number(1e-6, 10.0).map(lambda lr: SGD(lr=lr)),
        lr.map(lambda lr: SGD.search(lr=lr)),
        st.builds(lambda lr, beta: Momentum.search(lr=lr, momentum=beta), lr, beta),
        st.builds(lambda lr, beta: Adam.search(lr=lr, beta1=beta, eps=1e-8), lr, beta),
        st.builds(lambda beta: AdamW.search(beta2=beta), beta),
    )


def schedule() -> st.SearchStrategy[Any]:
    """Return one schedule."""
    return st.one_of(
        st.sampled_from(["constant", "linear", "inverse-time", "polynomial", Constant, Constant(), Cosine(final=0.1)]),
        floats_within(1e-3, 1.0).map(lambda final: Exponential.search(final=final)),
        floats_within(0.1, 1.0).map(lambda every: Step.search(every=every, gamma=0.5)),
        st.sampled_from([Then(first=Step(), second=Linear()), MultiStep(milestones=(0.3,)), WSD(shape="linear")]),
        floats_within(0.1, 1.0).map(
            lambda every: Then.search(
                first=Step.search(every=every, gamma=0.5), second=Choice(Linear(), SGDR()), at=0.3
            )
        ),
    )


def model() -> st.SearchStrategy[Any]:
    """Return one model for data."""
    return st.one_of(
        st.sampled_from(["mlp", "softmax-regression", MLP(width=3), MLP]),
        st.sampled_from([Choice(4, 8), Int(2, 9, step=3), Int(2, 9, log=True), 5]).map(lambda w: MLP.search(width=w)),
        floats_within(0.0, 0.9, log=False).map(lambda rate: MLP.search(dropout=rate, depth=1, layer_norm=True)),
        st.just(MLP.search(activation=Choice("relu", "tanh"))),
    )


def function() -> st.SearchStrategy[Any]:
    """Return one function to minimise."""
    return st.sampled_from(
        ["quadratic", Quadratic(start=(1.0, 2.0)), Branin, "beale", Function(f="numpy.linalg:norm", start=(3.0, 4.0))]
    )


def one_or_several(kind: Kind, node: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return one of these, or a choice of several that are not spellings of the same."""
    return node | st.lists(node, min_size=1, max_size=3).map(lambda options: _choice(kind, options))


def _choice(kind: Kind, options: list[Any]) -> Choice:
    kept: list[Any] = []
    for option in options:
        if all(node_of(option, kind) != node_of(other, kind) for other in kept):
            kept.append(option)
    return Choice(*kept)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    """Return an experiment with data or without, of which anything may be fixed or searched."""
    data = draw(st.sampled_from([None, "digits", "wine", "rows.csv", ([[0.0], [1.0], [2.0]], [0, 1, 0])]))
    penalty = number(0.0, 1.0) | floats_within(0.0, 1.0) | st.just(Choice(0, 1e-4))
    sides: list[dict[str, str]] = [{}, {"maximize": "val_accuracy"}, {"minimize": "train_loss"}]
    return Experiment(
        name=draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)),
        data=data,
        model=draw(one_or_several("model", function() if data is None else model())),
        optimizer=draw(one_or_several("optimizer", optimizer())),
        schedule=draw(one_or_several("schedule", schedule())),
        batch_size=draw(st.sampled_from([16, "full", Choice(8, 16, "full"), Int(4, 16, step=4), Int(4, 16, log=True)])),
        epochs=draw(st.integers(1, 50) | st.just(Int(1, 5)) | st.just(Choice(1, 2))),
        warmup=draw(number(0.0, 0.9) | floats_within(0.0, 0.9)),
        weight_decay=draw(penalty),
        clip_norm=draw(st.none() | number(0.1, 10.0) | floats_within(0.1, 10.0) | st.just(Choice(None, 1.0))),
        steps_per_epoch=draw(st.none() | st.integers(1, 9)),
        test=draw(st.sampled_from([0, 0.1])),
        split_seed=draw(st.integers(0, 3)),
        scale=draw(st.sampled_from(["auto", "standard", "minmax", "none"])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        diverged_above=draw(st.sampled_from([1e8, 10, 0.5])),
        **draw(st.sampled_from(sides)),
    )
