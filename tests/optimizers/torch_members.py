"""Every class of torch.optim that can step here, with other arguments in each member."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import optim

FOREIGN: dict[Any, Sequence[dict[str, Any]]] = {
    optim.Adadelta: [{}, {"lr": 0.1, "rho": 0.7, "eps": 1e-2, "weight_decay": 0.1}],
    optim.Adafactor: [{}, {"lr": 0.1, "beta2_decay": -0.5, "d": 2.0, "weight_decay": 0.1}],
    optim.Adagrad: [{}, {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1e-3}],
    optim.Adam: [{}, {"lr": 0.03, "weight_decay": 0.1, "eps": 1e-3}, {"betas": (0.5, 0.9), "amsgrad": True}],
    optim.AdamW: [{}, {"lr": 0.03, "weight_decay": 0.5}, {"foreach": True}, {"fused": True}],
    optim.Adamax: [{}, {"lr": 0.03, "betas": (0.5, 0.9), "weight_decay": 0.1}],
    optim.ASGD: [{}, {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5.0}],
    optim.NAdam: [{}, {"lr": 0.03, "momentum_decay": 0.5, "weight_decay": 0.1}, {"decoupled_weight_decay": True}],
    optim.RAdam: [{}, {"lr": 0.03, "betas": (0.5, 0.9), "weight_decay": 0.1}],
    optim.RMSprop: [{}, {"lr": 0.1, "alpha": 0.5, "momentum": 0.9, "centered": True}],
    optim.Rprop: [{}, {"lr": 0.1, "etas": (0.4, 1.4), "step_sizes": (1e-4, 1.0)}],
    optim.SGD: [{}, {"lr": 0.3, "momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.9, "nesterov": True}],
}
"""What torch.optim.Muon takes are matrices only; what LBFGS and SparseAdam need is not to be had."""

MATRICES: dict[Any, Sequence[dict[str, Any]]] = {
    optim.Muon: [{}, {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.5, "nesterov": False}],
}


class Noisy(torch.optim.Optimizer):
    """Langevin dynamics: a step against the gradient, and noise from torch's generator."""

    def __init__(self, params, lr=0.1, temperature=1e-3):  # type: ignore[no-untyped-def]
        super().__init__(params, {"lr": lr, "temperature": temperature})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=-group["lr"])
                p.add_(torch.randn_like(p), alpha=(2 * group["lr"] * group["temperature"]) ** 0.5)


class Stubborn(torch.optim.Optimizer):
    """Keeps what `load_state_dict` would cast, a state of nobody's, and lets go of its gradients."""

    def __init__(self, params, lr=0.1):  # type: ignore[no-untyped-def]
        super().__init__(params, {"lr": lr, "taken": 0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.state["all"].setdefault("sum", 0.0)  # type: ignore[index]
        for group in self.param_groups:
            group["taken"] += 1
            for p in group["params"]:
                state = self.state[p]
                signs = state.setdefault("signs", torch.zeros(p.shape, dtype=torch.int64))
                signs += p.grad.sign().long()
                fine = state.setdefault("fine", torch.zeros(p.shape, dtype=torch.float64))
                fine += p.grad.double() / 3
                self.state["all"]["sum"] += float(fine.sum())  # type: ignore[index]
                p.sub_((group["lr"] * (fine + signs / group["taken"] + self.state["all"]["sum"] * 1e-3)).to(p.dtype))  # type: ignore[index]
        self.zero_grad()


def in_two_groups(params, lr=0.1, part=0.1):  # type: ignore[no-untyped-def]
    """SGD whose matrices learn at `lr`, and all else at a part of it."""
    params = list(params)
    matrices, vectors = ([p for p in params if (p.ndim > 1) == wanted] for wanted in (True, False))
    groups = [{"params": vectors, "lr": lr * part}, {"params": matrices}]
    return torch.optim.SGD(groups, lr=lr, momentum=0.9)


class Averaging(torch.optim.SGD):
    """SGD that is evaluated at the mean of where it has been; it begins in no mode to train, and comes back lost."""

    def __init__(self, params, lr=0.1):  # type: ignore[no-untyped-def]
        super().__init__(params, lr=lr)
        self.param_groups[0]["mode"] = "new"

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if self.param_groups[0]["mode"] != "train":
            raise RuntimeError("call train() first")
        super().step()
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            state["count"] = state.get("count", 0) + 1
            state["sum"] = state.get("sum", 0.0) + p.detach()

    def train(self) -> None:
        if self.param_groups[0]["mode"] == "eval":
            for p in self.param_groups[0]["params"]:
                p.data.fill_(float("nan"))
        self.param_groups[0]["mode"] = "train"

    def eval(self) -> None:
        self.param_groups[0]["mode"] = "eval"
        for p in self.param_groups[0]["params"]:
            p.data.copy_(self.state[p]["sum"] / self.state[p]["count"])
