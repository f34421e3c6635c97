"""A class of torch.optim as a rule: each member steps exactly as with an instance of its own in a loop by hand."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cloudpickle
import numpy as np
import pytest
import torch
from laws.runs import train, varied
from training.rig import member, network, population

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.contracts import Backend, Optimizer
from tunelab.drawing import alternatives
from tunelab.errors import ExperimentError, PluginError
from tunelab.experiments import Experiment
from tunelab.models import MLP, Quadratic
from tunelab.optimizers import (
    EMA,
    SAM,
    SGD,
    SWA,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    ClipNorm,
    ClipValue,
    CoupledDecay,
    DecoupledDecay,
    Lookahead,
    Momentum,
    NAdam,
    Nesterov,
    RMSprop,
    Rprop,
    Switch,
    TorchOptimizer,
)
from tunelab.schedules import Constant, Cosine
from tunelab.space import Choice, Float
from tunelab.study.prepare import prepare
from tunelab.study.suggest import FixedSuggest
from tunelab.training.rules import RuleGroup
from tunelab.trial import Trial

from .open_loop import COSINE, error, gradients
from .tensor_loop import (
    NETWORK,
    SHAPES,
    LayerNetwork,
    MeanSquaredError,
    Tensors,
    of,
    scalars,
    starts,
    tensor_error,
    tensor_gradients,
)
from .torch_members import FOREIGN, MATRICES, Noisy, Stubborn, in_two_groups
from .wrapper_loop import wrapped_path

STEPS = 100
FACTORS = COSINE[:STEPS]
ONLY_MATRICES = LayerNetwork((Tensors(tuple(shape for shape in SHAPES if len(shape) == 2)),), MeanSquaredError())
PACKED = (1, 7, 60)
BACKENDS: dict[str, Callable[[str], Backend]] = {"torch": TorchBackend, "numpy": NumpyBackend}


def path(
    rules: Sequence[Optimizer],
    grads: np.ndarray,
    *,
    net: LayerNetwork = NETWORK,
    dtype: str = "float64",
    backend: str = "torch",
    packed_at: Sequence[int] = PACKED,
    saved: bool = False,
) -> np.ndarray:
    """Return the parameters after every step, `(S, P, n)`, of a population that is packed anew, or saved, in between.

    Gradients arrive as from a network: in a buffer that is written anew before each step.
    """
    computes = BACKENDS[backend](dtype)
    members = of(rules, computes, range(len(rules)), net)
    numbers = scalars(rules, FACTORS)
    thetas = np.empty((len(grads), len(rules), net.size))
    for begin, end in pairwise([0, *packed_at, len(grads)]):
        theta, grad = (computes.empty((len(rules), net.size)) for _ in range(2))
        for row, one in enumerate(members):
            theta[row] = one.theta
        group = RuleGroup(members, theta, grad, computes)
        group.prepare([{name: values[begin:end] for name, values in numbers.items()}], end - begin)
        for step in range(begin, end):
            grad[...] = computes.asarray(grads[step])
            group.update(step - begin)
            thetas[step] = computes.to_numpy(theta)
        for row, one in enumerate(members):
            one.theta = computes.copy(theta[row])
        group.give_back(members)
        if saved:
            members = pickle.loads(pickle.dumps(members))
    return thetas


def by_hand(
    target: Any,
    fields: Sequence[dict[str, Any]],
    grads: np.ndarray,
    net: LayerNetwork = NETWORK,
    dtype: str = "float64",
) -> np.ndarray:
    """Return what the class itself does in a loop as anybody writes it, each member alone, `(S, P, n)`."""
    thetas = np.empty((len(grads), len(fields), net.size))
    for index, given in enumerate(fields):
        flat = torch.tensor(starts(len(fields), net)[index], dtype=getattr(torch, dtype))
        cut = [(tensor.where, tensor.shape) for tensor in net.tensors()]
        params = [flat[where].reshape(shape).clone().requires_grad_() for where, shape in cut]
        optimizer = target(params, **given)
        first = [group["lr"] for group in optimizer.param_groups]
        for step, factor in enumerate(FACTORS[: len(grads)]):
            for param, (where, shape) in zip(params, cut, strict=True):
                param.grad = torch.tensor(grads[step, index, where].reshape(shape), dtype=flat.dtype)
            for group, rate in zip(optimizer.param_groups, first, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
            thetas[step, index] = np.concatenate([param.detach().numpy().ravel() for param in params])
    return thetas


CASES = [
    *((target, NETWORK) for target in (*FOREIGN, Stubborn, in_two_groups)),
    *((target, ONLY_MATRICES) for target in MATRICES),
]
FIELDS: dict[Any, Sequence[dict[str, Any]]] = {
    **FOREIGN,
    **MATRICES,
    Stubborn: [{}, {"lr": 0.01}],
    in_two_groups: [{}, {"lr": 0.3}],
}
each_class = pytest.mark.parametrize(("target", "net"), CASES, ids=lambda value: getattr(value, "__name__", ""))


def alike(fields: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the fields of members that can share a group, group by group: each with its own learning rates."""
    return [[one, one | {"lr": 0.02}, one | {"lr": 0.002}] for one in fields]


def test_every_class_of_torch_optim_is_tested_or_refused() -> None:
    classes = {one for one in vars(torch.optim).values() if isinstance(one, type)}
    refused = {torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam}
    assert classes == {*FOREIGN, *MATRICES} | refused
    for one in refused:
        with pytest.raises(PluginError):
            TorchOptimizer(one)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@each_class
def test_it_equals_the_class_used_by_hand_bit_for_bit_with_a_schedule(
    target: Any, net: LayerNetwork, dtype: str
) -> None:
    grads = tensor_gradients(3, steps=STEPS, network=net)
    for fields in alike(FIELDS[target]):
        found = path([TorchOptimizer(target, **one) for one in fields], grads, net=net, dtype=dtype)
        wanted = by_hand(target, fields, grads, net, dtype)
        if target is in_two_groups:  # multiplies learning rate, factor and ratio in another order
            assert tensor_error(found, wanted, net) < (1e-12 if dtype == "float64" else 1e-5)
        else:
            np.testing.assert_array_equal(found, wanted)
        assert np.isfinite(found).all()
        assert np.abs(np.diff(found, axis=0)).max() > 0


@each_class
def test_packed_anew_or_saved_in_between_no_bit_changes(target: Any, net: LayerNetwork) -> None:
    grads = tensor_gradients(3, steps=STEPS, network=net)
    for fields in alike(FIELDS[target]):
        rules = [TorchOptimizer(target, **one) for one in fields]
        whole = path(rules, grads, net=net, dtype="float32", packed_at=())
        np.testing.assert_array_equal(path(rules, grads, net=net, dtype="float32"), whole)
        np.testing.assert_array_equal(path(rules, grads, net=net, dtype="float32", saved=True), whole)


@each_class
def test_a_member_alone_is_the_same_as_among_others(target: Any, net: LayerNetwork) -> None:
    grads = tensor_gradients(3, steps=50, network=net)
    rules = [TorchOptimizer(target, **one) for one in alike(FIELDS[target])[-1]]
    together = path(rules, grads, net=net, packed_at=())
    np.testing.assert_array_equal(path(rules[:1], grads[:, :1], net=net, packed_at=()), together[:, :1])


def test_members_of_one_group_may_differ_in_every_float() -> None:
    fields = [{"lr": 0.1 / n, "weight_decay": 0.1 * n, "momentum": 0.3 * n} for n in range(1, 4)]
    rules = [TorchOptimizer(torch.optim.SGD, **one) for one in fields]
    assert len({rule.structure() for rule in rules}) == 1
    grads = tensor_gradients(3, steps=STEPS)
    np.testing.assert_array_equal(path(rules, grads), by_hand(torch.optim.SGD, fields, grads))


def test_parameter_groups_keep_the_ratio_of_their_learning_rates() -> None:
    grads = np.ones((1, 1, NETWORK.size))
    moved = path([TorchOptimizer(in_two_groups, lr=0.5, part=0.1)], grads, packed_at=())[0, 0] - starts(1)[0]
    for tensor in NETWORK.tensors():
        np.testing.assert_allclose(moved[tensor.where], -0.5 if len(tensor.shape) == 2 else -0.05, rtol=1e-12)


def test_the_comparison_rejects_a_state_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    grads = tensor_gradients(1, steps=STEPS)
    rules = [TorchOptimizer(Stubborn)]
    whole = path(rules, grads, dtype="float32", packed_at=())
    cast = "tunelab.optimizers.torch_optimizer.TorchInstance._restore"
    monkeypatch.setattr(cast, lambda self, saved: self._optimizer.load_state_dict(saved))
    with pytest.raises((AssertionError, RuntimeError)):
        np.testing.assert_array_equal(path(rules, grads, dtype="float32", saved=True), whole)


OURS: list[tuple[Optimizer, Any, dict[str, Any], float]] = [
    (SGD(lr=0.1), torch.optim.SGD, {"lr": 0.1}, 1e-12),
    (Momentum(lr=0.1, momentum=0.8), torch.optim.SGD, {"lr": 0.1, "momentum": 0.8}, 1e-12),
    (Nesterov(lr=0.1, momentum=0.8), torch.optim.SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True}, 1e-12),
    (AdaGrad(lr=0.1), torch.optim.Adagrad, {"lr": 0.1}, 1e-12),
    (RMSprop(rho=0.9), torch.optim.RMSprop, {"alpha": 0.9}, 1e-12),
    (Adadelta(), torch.optim.Adadelta, {}, 1e-12),
    (Adam(lr=0.01), torch.optim.Adam, {"lr": 0.01}, 1e-12),
    (AdamW(lr=0.01, weight_decay=0.2), torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.2}, 1e-12),
    (AMSGrad(lr=0.01), torch.optim.Adam, {"lr": 0.01, "amsgrad": True}, 1e-12),
    (Adamax(), torch.optim.Adamax, {"lr": Adamax().lr}, 1e-12),
    (NAdam(), torch.optim.NAdam, {"lr": NAdam().lr}, 1e-7),  # torch keeps the product of its momenta in float32
    (Rprop(), torch.optim.Rprop, {"lr": Rprop().lr}, 1e-12),
]


@pytest.mark.parametrize(
    ("ours", "target", "fields", "tolerance"), OURS, ids=lambda value: getattr(value, "label", str)()
)
def test_it_equals_our_own_plugin_of_the_same_rule(
    ours: Optimizer, target: Any, fields: dict[str, Any], tolerance: float
) -> None:
    grads = gradients(1, steps=STEPS)
    theirs = TorchOptimizer(target, **fields)
    schedule = Constant() if isinstance(ours, Rprop) else Cosine()  # torch's looks at its learning rate only once
    wanted = wrapped_path([ours], grads, schedule=schedule)
    assert error(wrapped_path([theirs], grads, schedule=schedule), wanted) < tolerance


def smooth(step: int, rows: list[int], theta: np.ndarray) -> np.ndarray:
    return theta * 0.3


@pytest.mark.parametrize("evaluated", [False, True])
@pytest.mark.parametrize(
    "around",
    [
        lambda rule: ClipNorm(inner=rule, norm=0.5),
        lambda rule: ClipValue(inner=rule, value=0.1),
        lambda rule: CoupledDecay(inner=rule, weight_decay=0.1),
        lambda rule: DecoupledDecay(inner=rule, weight_decay=0.1),
        lambda rule: ClipNorm(inner=CoupledDecay(inner=rule)),
        lambda rule: EMA(inner=rule, decay=0.9),
        lambda rule: SWA(inner=rule, start=0.5),
        lambda rule: Lookahead(inner=rule),
        lambda rule: SAM(inner=rule),
        lambda rule: Switch(first=rule, second=Adam(), at=0.3),
        lambda rule: Switch(first=Adam(lr=0.01), second=rule, at=0.3),
        lambda rule: EMA(inner=Switch(first=rule, second=Lookahead(inner=rule), at=0.6)),
        lambda rule: Switch(first=Adam(lr=0.01), second=rule, at=0.3, rate=0.5),
        lambda rule: Switch(first=rule, second=SGD(), at=0.5, rate="swats"),
    ],
    ids=lambda around: repr(around(SGD())),
)
def test_what_goes_around_a_rule_goes_around_it(around: Callable[[Any], Optimizer], evaluated: bool) -> None:
    """SGD is the same by either; its gradients are the engine's, whatever a wrapper made of them."""
    grads = gradients(2, steps=STEPS) * 1e-2
    ours = [around(SGD(lr=lr)) for lr in (0.1, 0.02)]
    theirs = [around(TorchOptimizer(torch.optim.SGD, lr=lr)) for lr in (0.1, 0.02)]
    wanted = wrapped_path(ours, grads, second=smooth, evaluated=evaluated, schedule=Cosine())
    found = wrapped_path(theirs, grads, second=smooth, evaluated=evaluated, schedule=Cosine())
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_one_class_hands_over_to_another_and_begins_anew() -> None:
    grads = gradients(1, steps=STEPS) * 1e-2
    ours = Switch(first=Momentum(lr=0.1), second=AdaGrad(lr=0.1), at=0.4)
    momentum = TorchOptimizer(torch.optim.SGD, lr=0.1, momentum=0.9)
    theirs = Switch(first=momentum, second=TorchOptimizer(torch.optim.Adagrad, lr=0.1), at=0.4)
    np.testing.assert_allclose(wrapped_path([theirs], grads), wrapped_path([ours], grads), rtol=1e-10, atol=1e-12)
    again = wrapped_path([Switch(first=momentum, second=momentum, at=0.4)], grads)
    assert np.abs(again - wrapped_path([momentum], grads)).max() > 1e-6


def closed_loop(optimizers: Sequence[Optimizer], numbers: Sequence[int] | None = None, **training: Any) -> Any:
    """Return the reports and the parameters of members on a small network, by number."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(26, 5)), rng.integers(0, 3, 26)
    net = network(MLP(width=6, activation="tanh", dropout=0.3), inputs=5, outputs=3)
    numbers = numbers or range(len(optimizers))
    made = [
        member(n, one, Cosine(), steps=7, net=net, epochs=3, **training)
        for n, one in zip(numbers, optimizers, strict=True)
    ]
    group = population(made, x, y, batch_size=4)
    reports = [report for _ in range(3) for report in group.epoch()]
    members = group.release(lambda _: True)
    return (
        {n: [report for report in reports if report.trial == n] for n in numbers},
        {one.trial.number: one.theta for one in members},
    )


@pytest.mark.parametrize("training", [{}, {"warmup": 0.3, "clip_norm": 0.5, "weight_decay": 0.01}], ids=["bare", "all"])
def test_schedule_warmup_clipping_and_decay_reach_it(training: dict[str, Any]) -> None:
    ours, one = closed_loop([Momentum(lr=0.1)], **training)
    theirs, other = closed_loop([TorchOptimizer(torch.optim.SGD, lr=0.1, momentum=0.9)], **training)
    np.testing.assert_allclose(other[0], one[0], rtol=1e-10)
    assert [report.metrics["lr"] for report in theirs[0]] == [report.metrics["lr"] for report in ours[0]]


MIXED: list[Optimizer] = [
    Adam(),
    TorchOptimizer(torch.optim.AdamW),
    TorchOptimizer(Noisy),
    TorchOptimizer(torch.optim.AdamW, lr=0.01),
    SGD(lr=0.1),
    TorchOptimizer(Noisy, lr=0.02, temperature=0.1),
    EMA(inner=TorchOptimizer(torch.optim.SGD, lr=0.1, momentum=0.9)),
    Switch(first=TorchOptimizer(torch.optim.Adam), second=TorchOptimizer(Noisy), at=0.4),
]


def test_members_of_any_rules_train_alike_alone_and_together() -> None:
    reports, together = closed_loop(MIXED)
    for number, optimizer in enumerate(MIXED):
        alone, theta = closed_loop([optimizer], [number])
        assert alone[number] == reports[number]
        assert len(alone[number]) == 3
        np.testing.assert_array_equal(theta[number], together[number])


def test_what_is_drawn_at_random_is_a_function_of_seed_and_step_and_nobody_elses() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    grads = tensor_gradients(3, steps=20)
    rules = [TorchOptimizer(Noisy)] * 3
    first = path(rules, grads, packed_at=())
    assert (torch.get_rng_state() == before).all()
    torch.manual_seed(6)
    np.testing.assert_array_equal(path(rules, grads, saved=True, packed_at=(3, 9)), first)
    noise = np.diff(first, axis=0) + 0.1 * FACTORS[1:20, None, None] * grads[1:]
    flat = noise.reshape(-1, NETWORK.size)
    assert len(np.unique(flat.round(9), axis=0)) == len(flat), "no two members and no two steps draw alike"


def test_it_moves_to_another_place_without_a_copy_of_its_state() -> None:
    (one,) = of([TorchOptimizer(torch.optim.Adam)], TorchBackend("float32"), [0], NETWORK)
    addresses: list[list[int]] = []
    for _ in range(2):
        theta, grad = torch.randn(1, NETWORK.size), torch.randn(1, NETWORK.size)
        group = RuleGroup([one], theta, grad, TorchBackend("float32"))
        group.prepare([{"lr": np.full((1, 1, 1), 0.1), "step": np.ones((1, 1, 1))}], 1)
        before = theta.clone()
        group.update(0)
        assert not torch.equal(theta, before), "it steps the population's own rows"
        states = one.own._optimizer.state.values()  # type: ignore[union-attr]
        addresses.append([state["exp_avg"].data_ptr() for state in states])
    assert addresses[0] == addresses[1]


def test_a_saved_member_holds_its_own_numbers_and_no_others() -> None:
    members = of([TorchOptimizer(torch.optim.Adam)] * 40, TorchBackend("float32"), range(40), NETWORK)
    theta, grad = torch.randn(40, NETWORK.size), torch.randn(40, NETWORK.size)
    group = RuleGroup(members, theta, grad, TorchBackend("float32"))
    group.prepare([{"lr": np.full((1, 40, 1), 0.1), "step": np.ones((1, 40, 1))}], 1)
    group.update(0)
    assert len(pickle.dumps(members[3].own)) < 40_000


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TorchOptimizer(torch.optim.AdamW, beta=1), r"AdamW has no field 'beta'; did you mean 'betas'"),
        (lambda: TorchOptimizer(torch.optim.AdamW, lr=0.0), "AdamW: lr: input should be greater than 0"),
        (lambda: TorchOptimizer(torch.optim.AdamW, params=[]), "AdamW has no field 'params'"),
        (
            lambda: TorchOptimizer(torch.optim.LBFGS),
            "LBFGS evaluates the loss again within a step .*choose an optimizer",
        ),
        (lambda: TorchOptimizer(torch.optim.SparseAdam), "SparseAdam wants sparse gradients.*choose torch.optim.Adam"),
        (lambda: TorchOptimizer(torch.nn.Linear), "subclass of torch.optim.Optimizer, was given the class Linear"),
        (lambda: TorchOptimizer(lambda params, rate=1: None), "must have a parameter 'lr', and has none"),
        (lambda: TorchOptimizer(lr=0.1), "TorchOptimizer needs the class or function that it is made of first"),
        (lambda: TorchOptimizer.search(torch.optim.SGD, lr=Float(0, 1)), "SGD: lr=.*greater than 0"),
    ],
)
def test_it_refuses(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        make()


def nothing(params: Any, lr: float = 0.1) -> None:
    """Return no optimizer."""


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            TorchOptimizer(torch.optim.SGD, nesterov=True),
            "SGD.* cannot be made: ValueError: Nesterov momentum requires",
        ),
        (TorchOptimizer(torch.optim.Muon), "Muon.* cannot be made: ValueError: Muon only supports 2D parameters"),
        (TorchOptimizer(nothing), "nothing.* cannot be made: AttributeError"),
    ],
)
def test_what_the_class_itself_refuses_is_told_with_its_reason(rule: Optimizer, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        of([rule], TorchBackend("float32"), [0], NETWORK)


def test_a_class_given_as_it_is_is_told_where_it_goes() -> None:
    with pytest.raises(ExperimentError, match=r"goes into tunelab.optimizers.TorchOptimizer\(AdamW, ...\)"):
        Experiment(name="x", model=Quadratic(), optimizer=torch.optim.AdamW)


def adamw(params, lr=1e-3, beta1: Annotated[float, Float(0.5, 0.98, complement_log=True)] = 0.9):  # type: ignore[no-untyped-def]
    return torch.optim.AdamW(params, lr=lr, betas=(beta1, 0.999))


def test_a_function_may_say_what_is_searched() -> None:
    assert TorchOptimizer.search(adamw, lr=0.1).fields == {"lr": 0.1, "beta1": Float(0.5, 0.98, complement_log=True)}
    fields = [{"lr": 0.1, "beta1": 0.5}, {"lr": 0.2, "beta1": 0.8}]
    grads = tensor_gradients(2, steps=STEPS)
    found = path([TorchOptimizer(adamw, **one) for one in fields], grads)
    wanted = by_hand(torch.optim.AdamW, [{"lr": one["lr"], "betas": (one["beta1"], 0.999)} for one in fields], grads)
    np.testing.assert_array_equal(found, wanted)


class Tired(torch.optim.SGD):
    """Gives up in the third step."""

    def __init__(self, params, lr=0.1):  # type: ignore[no-untyped-def]
        super().__init__(params, lr=lr)
        self.left = 3

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.left -= 1
        if self.left == 0:
            raise ArithmeticError("too tired")
        super().step()


def test_a_class_that_raises_fails_its_own_trials_and_no_others() -> None:
    wrong = TorchOptimizer(torch.optim.SGD, lr=0.1, nesterov=True)
    rules = Choice(TorchOptimizer(torch.optim.SGD, lr=0.1), TorchOptimizer(Tired), wrong, "adam")
    experiment = varied(backend="torch", optimizer=rules, model=MLP(width=6), epochs=6)
    trials = [
        Trial(number, 3, experiment.draw(FixedSuggest({"optimizer": label})))
        for number, label in enumerate(alternatives(rules))
    ]
    run = train(experiment, trials, population=4)
    assert (run[1].end[0], run[1].end[-1]) == ("failed", "ArithmeticError: too tired")
    assert run[2].end[0] == "failed"
    assert "Nesterov momentum requires" in run[2].end[-1]
    for number in (0, 3):
        alone = train(experiment, [trials[number]], population=1)[number]
        assert run[number].end == alone.end
        assert run[number].metric("val_loss") == pytest.approx(alone.metric("val_loss"), rel=1e-5)
        assert len(alone.metric("val_loss")) == 6


@pytest.mark.parametrize(
    "optimizer",
    [
        TorchOptimizer(torch.optim.SGD),
        Choice("sgd", TorchOptimizer.search(torch.optim.SGD, lr=Float(0.1, 1))),
        EMA.search(inner=Choice("sgd", Lookahead(inner=TorchOptimizer(torch.optim.SGD)))),
    ],
    ids=["fixed", "in a choice", "deep inside"],
)
def test_numpy_refuses_it_before_anything_trains(optimizer: Any) -> None:
    experiment = Experiment(name="x", model=Quadratic(), optimizer=optimizer)
    with pytest.raises(
        ExperimentError, match="SGD trains with backend='torch', and the experiment has backend='numpy'"
    ):
        prepare(experiment)
    prepare(Experiment(**dict(experiment) | {"backend": "torch"}))


def test_two_classes_are_told_apart_and_their_fields_line_up() -> None:
    either = Choice(
        "sgd",
        TorchOptimizer.search(torch.optim.SGD, lr=Float(0.1, 1)),
        TorchOptimizer(torch.optim.Adam, lr=0.2, betas=(0.5, 0.9)),
    )
    experiment = Experiment(name="x", model=Quadratic(), optimizer=either, backend="torch")
    assert Experiment.from_json(experiment.to_json()) == experiment
    asked = []

    class Last:
        def number(self, name: str, within: Any, default: Any) -> Any:
            asked.append(name)
            return within.low

        def option(self, name: str, labels: Any, default: Any) -> Any:
            asked.append((name, *labels))
            return labels[1]

    params = experiment.draw(Last())
    assert asked == [("optimizer", "sgd", "SGD", "Adam"), "optimizer.SGD.lr"]
    assert params["optimizer"] == "SGD"
    assert {name for name in params if name.startswith("optimizer.")} == {
        f"optimizer.{name}" for name in TorchOptimizer.of(torch.optim.SGD).model_fields
    }
    assert experiment.configure(params).optimizer == TorchOptimizer(torch.optim.SGD, lr=0.1)


SCRIPT = """
import sys, torch
from tunelab import Choice, Experiment, Float
from tunelab.optimizers import TorchOptimizer

class Mine(torch.optim.SGD):
    def __init__(self, params, lr=0.1, nesterov=False):
        super().__init__(params, lr=lr, momentum=0.9, nesterov=nesterov)

if __name__ == "__main__":
    mine = TorchOptimizer.search(Mine, lr=Float(0.01, 0.5, log=True), nesterov=Choice(True, False))
    experiment = Experiment(name="mine", data="digits", model="softmax-regression", backend="torch", epochs=1,
                            optimizer=Choice("adam", mine), maximize="val_accuracy")
    study = experiment.run(trials=4, folder=sys.argv[1], tracker=None)
    print(study.counts, sorted({trial.trial.params["optimizer"] for trial in study.trials}))
"""


def test_a_class_of_a_script_trains_in_the_worker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, script, tmp_path / "runs"], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "['Mine', 'adam']" in done.stdout


def test_cloudpickle_carries_an_experiment_with_it() -> None:
    experiment = Experiment(name="x", model=Quadratic(), optimizer=TorchOptimizer(torch.optim.Adam), backend="torch")
    assert pickle.loads(cloudpickle.dumps(experiment)) == experiment
