"""A small population of every rule that sees more than single elements, with different numbers in each member."""

from collections.abc import Sequence

from tunelab.contracts import Optimizer
from tunelab.optimizers import (
    LAMB,
    LARS,
    SOAP,
    Adafactor,
    DAdaptation,
    Muon,
    Prodigy,
    ScheduleFreeAdamW,
    ScheduleFreeSGD,
    Shampoo,
)

TENSOR_POPULATIONS: dict[str, Sequence[Optimizer]] = {
    "lars": [LARS(), LARS(lr=10.0, momentum=0.5, trust=0.01, weight_decay=1e-3), LARS(lr=0.1, momentum=0.0)],
    "lamb": [
        LAMB(),
        LAMB(lr=0.01, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=1.0),
        LAMB(beta1=0.0, beta2=0.9999, weight_decay=0.0),
    ],
    "schedule-free-sgd": [
        ScheduleFreeSGD(),
        ScheduleFreeSGD(lr=0.1, momentum=0.98, weight_decay=0.1),
        ScheduleFreeSGD(lr=0.01, momentum=0.0),
    ],
    "schedule-free-adamw": [
        ScheduleFreeAdamW(),
        ScheduleFreeAdamW(lr=0.1, beta1=0.98, beta2=0.9, eps=1e-3, weight_decay=1.0),
        ScheduleFreeAdamW(lr=0.01, beta1=0.5, beta2=0.9999, weight_decay=0.0),
    ],
    "muon": [
        Muon(),
        Muon(lr=0.1, momentum=0.8, weight_decay=0.0, adam_lr=0.03, adam_beta1=0.5, adam_beta2=0.9, adam_eps=1e-3),
        Muon(lr=0.001, momentum=0.0, weight_decay=1.0),
    ],
    "adafactor": [
        Adafactor(),
        Adafactor(lr=0.4, decay=0.5, weight_decay=1.0, eps1=1e-3, eps2=0.1, clip=1.5),
        Adafactor(lr=1e-4, decay=1.0, weight_decay=0.0),
    ],
    "prodigy": [
        Prodigy(lr=0.2, weight_decay=0.0),
        Prodigy(lr=0.5, d_coef=0.5, beta1=0.5, beta2=0.99, eps=1e-3, weight_decay=0.3, d0=1e-3),
        Prodigy(lr=0.1, d_coef=0.5, beta1=0.0, beta2=0.999, d0=1e-4),
    ],
    "prodigy-corrected": [
        Prodigy(lr=0.2, bias_correction=True),
        Prodigy(lr=0.5, d_coef=0.5, beta1=0.5, beta2=0.99, d0=1e-3, bias_correction=True),
        Prodigy(lr=0.1, beta1=0.0, d0=1e-4, bias_correction=True),
    ],
    "d-adaptation": [
        DAdaptation(weight_decay=0.0),
        DAdaptation(lr=0.5, beta1=0.5, beta2=0.99, eps=1e-3, weight_decay=0.3, d0=1e-3),
        DAdaptation(lr=0.2, beta1=0.0, beta2=0.999, d0=1e-4),
    ],
    "d-adaptation-corrected": [
        DAdaptation(bias_correction=True),
        DAdaptation(lr=0.5, beta1=0.5, beta2=0.99, d0=1e-3, bias_correction=True),
        DAdaptation(lr=0.2, beta1=0.0, d0=1e-4, bias_correction=True),
    ],
    "shampoo": [
        Shampoo(),
        Shampoo(lr=1.0, beta1=0.5, weight_decay=0.0, eps=1e-2),
        Shampoo(lr=0.01, beta1=0.0, weight_decay=1.0),
    ],
    "shampoo-diagonal": [
        Shampoo(every=1, longest=4),
        Shampoo(lr=1.0, beta1=0.5, eps=1e-2, every=1, longest=4),
        Shampoo(lr=0.01, beta1=0.99, every=1, longest=4),
    ],
    "soap": [
        SOAP(),
        SOAP(lr=0.01, beta1=0.5, beta2=0.99, eps=1e-3, weight_decay=0.0),
        SOAP(lr=0.001, beta1=0.99, beta2=0.9, weight_decay=1.0),
    ],
}
