"""A small population of every rule, with different hyperparameters in each member."""

from collections.abc import Sequence

from tunelab.contracts import Optimizer
from tunelab.optimizers import (
    ASGD,
    SGD,
    Adadelta,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientDescent,
    HeavyBall,
    Lion,
    Momentum,
    NAdam,
    NAdamW,
    Nesterov,
    RAdam,
    RMSprop,
    Rprop,
    Sophia,
)

POPULATIONS: dict[str, Sequence[Optimizer]] = {
    "gradient-descent": [GradientDescent(lr=lr) for lr in (0.01, 0.5, 3.0)],
    "sgd": [SGD(lr=lr) for lr in (0.01, 0.5, 3.0)],
    "heavy-ball": [HeavyBall(lr=0.01), HeavyBall(lr=0.3, momentum=0.5), HeavyBall(lr=1.0, momentum=0.0)],
    "momentum": [Momentum(lr=0.01), Momentum(lr=0.3, momentum=0.99, dampening=0.7), Momentum(momentum=0.0)],
    "nesterov": [Nesterov(lr=0.01), Nesterov(lr=0.3, momentum=0.995), Nesterov(momentum=0.0)],
    "adagrad": [AdaGrad(lr=0.01), AdaGrad(lr=1.0, eps=1e-3), AdaGrad(lr=0.1, eps=1e-6)],
    "rmsprop": [RMSprop(lr=0.01), RMSprop(lr=0.1, rho=0.5, eps=1e-3), RMSprop(rho=0.999, eps=1e-10)],
    "adam": [Adam(), Adam(lr=0.03, beta1=0.0, beta2=0.9, eps=1e-3), Adam(beta1=0.98, beta2=0.9999, eps=1e-10)],
    "adamw": [
        AdamW(),
        AdamW(lr=0.03, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=1.0),
        AdamW(beta1=0.98, beta2=0.9999, weight_decay=0.0),
    ],
    "adadelta": [Adadelta(), Adadelta(lr=10.0, rho=0.7, eps=1e-2), Adadelta(lr=0.01, rho=0.99, eps=1e-8)],
    "adamax": [Adamax(), Adamax(lr=0.03, beta1=0.0, beta2=0.9, eps=1e-3), Adamax(beta1=0.98, beta2=0.9999, eps=1e-10)],
    "amsgrad": [
        AMSGrad(),
        AMSGrad(lr=0.03, beta1=0.0, beta2=0.9, eps=1e-3),
        AMSGrad(beta1=0.98, beta2=0.9999, eps=1e-10),
    ],
    "nadam": [
        NAdam(),
        NAdam(lr=0.03, beta1=0.5, beta2=0.9, eps=1e-3, momentum_decay=0.5),
        NAdam(beta1=0.98, beta2=0.9999, eps=1e-10, momentum_decay=0.0),
    ],
    "nadamw": [
        NAdamW(),
        NAdamW(lr=0.03, beta1=0.0, beta2=0.9, eps=1e-3, momentum_decay=0.5, weight_decay=1.0),
        NAdamW(beta1=0.996, beta2=0.9999, weight_decay=0.0),
    ],
    "radam": [RAdam(), RAdam(lr=0.03, beta1=0.0, beta2=0.9, eps=1e-3), RAdam(beta1=0.98, beta2=0.5, eps=1e-10)],
    "lion": [
        Lion(),
        Lion(lr=0.003, beta1=0.0, beta2=0.9, weight_decay=3.0),
        Lion(beta1=0.95, beta2=0.98, weight_decay=0.0),
    ],
    "asgd": [ASGD(), ASGD(lr=3.0, decay=1e-3), ASGD(lr=0.3, decay=0.1, power=0.5)],
    "sophia": [Sophia(), Sophia(lr=0.03, beta1=0.85, weight_decay=0.0), Sophia(beta1=0.0, gamma=1.0, eps=1e-3)],
    "rprop": [Rprop(), Rprop(lr=0.1, shrink=0.8, grow=1.5, smallest=1.0, largest=7.0), Rprop(lr=1e-3, grow=1.05)],
}
