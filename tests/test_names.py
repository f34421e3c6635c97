"""Law 9: the public surface. Who changes a name that people use, changes it here too, on purpose."""

import importlib
import inspect

import pytest

import tunelab
from tunelab import Experiment, TrainedModel
from tunelab.checkpoint import Checkpoint
from tunelab.loop import Loop
from tunelab.plugins import CONTRACTS, listings
from tunelab.searchable import Searchable
from tunelab.study import run
from tunelab.trial import Result, State

OPTIMIZERS = [
    "ASGD", "EMA", "LAMB", "LARS", "SAM", "SGD", "SOAP", "SWA", "AMSGrad", "AdaGrad", "Adadelta", "Adafactor",
    "Adam", "AdamW", "Adamax", "ClipNorm", "ClipValue", "CoupledDecay", "DAdaptation", "DecoupledDecay",
    "GradientDescent", "HeavyBall", "Lion", "Lookahead", "Momentum", "Muon", "NAdam", "NAdamW", "Nesterov",
    "Prodigy", "RAdam", "RMSprop", "Rprop", "ScheduleFreeAdamW", "ScheduleFreeSGD", "Shampoo", "Sophia", "Switch",
    "TorchOptimizer",
]  # fmt: skip

SURFACE = {
    "tunelab": [
        "Choice", "Experiment", "Float", "Int", "Study", "Torch", "TrainedModel", "Trial", "experiment", "reports_of",
    ],
    "tunelab.data": [
        "Arrays", "BreastCancer", "DataFile", "Diabetes", "Digits", "Split", "TorchData", "Wine", "fingerprint",
        "split",
    ],
    "tunelab.models": [
        "CNN", "GRU", "MLP", "VAE", "Beale", "Branin", "Function", "LinearRegression", "Quadratic", "ResNet",
        "Rosenbrock", "SoftmaxRegression", "TorchModel", "Transformer",
    ],
    "tunelab.models.layers": ["GELU", "Dense", "Dropout", "LayerNorm", "Point", "ReLU", "Softplus", "Tanh"],
    "tunelab.models.losses": ["CrossEntropy", "MeanSquaredError", "Surface", "loss_for", "surface_for"],
    "tunelab.optimizers": OPTIMIZERS,
    "tunelab.schedules": [
        "REX", "SGDR", "WSD", "Constant", "Cosine", "Exponential", "InverseSqrt", "InverseTime", "Linear", "MultiStep",
        "OneCycle", "Piecewise", "Polynomial", "ReduceOnPlateau", "Step", "Then", "Triangular", "Triangular2",
    ],
    "tunelab.study": ["Reproduction", "Snapshot", "Study", "reproduce", "resume", "run"],
    "tunelab.testing": ["DatasetConformance", "ModelConformance", "OptimizerConformance", "ScheduleConformance"],
    "tunelab.tracking": ["MLflowTracker", "MemoryTracker"],
}  # fmt: skip

FIELDS = [
    "name", "maximize", "minimize", "data", "model", "optimizer", "schedule", "batch_size", "epochs", "warmup",
    "weight_decay", "clip_norm", "steps_per_epoch", "loss", "metrics", "validation", "test", "split_seed", "scale",
    "dtype",
    "backend", "diverged_above",
]  # fmt: skip

SETTINGS = {
    "trials": 100, "timeout": None, "seed": 0, "population": None, "sampler": "tpe", "pruner": "none", "storage": None,
    "tracker": None, "tracking_uri": None, "executor": "process", "workers": None, "search": "auto", "widen": False,
    "extend": None,
    "trial_timeout": None, "worker_memory": None, "max_failures": 50,
    "register": None, "source_file": None, "source": None, "join": None,
}  # fmt: skip

PLUGINS = {
    "optimizer": [
        "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "amsgrad", "asgd", "clip-norm", "clip-value",
        "coupled-decay", "d-adaptation", "decoupled-decay", "ema", "gradient-descent", "heavy-ball", "lamb", "lars",
        "lion", "lookahead", "momentum", "muon", "nadam", "nadamw", "nesterov", "prodigy", "radam", "rmsprop", "rprop",
        "sam", "schedule-free-adamw", "schedule-free-sgd", "sgd", "shampoo", "soap", "sophia", "swa", "switch",
    ],
    "schedule": [
        "constant", "cosine", "exponential", "inverse-sqrt", "inverse-time", "linear", "multi-step", "one-cycle",
        "piecewise", "polynomial", "reduce-on-plateau", "rex", "sgdr", "step", "then", "triangular", "triangular2",
        "wsd",
    ],
    "model": [
        "beale", "branin", "cnn", "function", "gru", "linear-regression", "mlp", "quadratic", "resnet", "rosenbrock",
        "softmax-regression", "transformer", "vae",
    ],
    "dataset": ["arrays", "breast-cancer", "diabetes", "digits", "file", "torch", "wine"],
}  # fmt: skip


@pytest.mark.parametrize("room", SURFACE)
def test_a_room_gives_these_names(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__all__ == SURFACE[room]
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tunelab' has no attribute 'Experimnt'"):
        tunelab.Experimnt  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    from importlib.metadata import version

    assert tunelab.__version__ == version("tunelab")


def test_an_experiment_has_these_fields() -> None:
    assert list(Experiment.model_fields) == FIELDS


def test_run_takes_these_settings() -> None:
    parameters = inspect.signature(run).parameters
    assert {name: parameters[name].default for name in SETTINGS} == SETTINGS
    assert set(parameters) == {"experiment", "folder", "watch", *SETTINGS}
    assert all(each.kind is each.KEYWORD_ONLY for name, each in parameters.items() if name != "experiment")


def test_a_study_has_these_attributes() -> None:
    public = {name for name in (*tunelab.Study.__dataclass_fields__, *vars(tunelab.Study)) if not name.startswith("_")}
    assert public == {
        "name", "experiment", "folder", "trials", "best", "progress", "first_trial_s", "test", "mirror", "optuna",
        "mlflow_experiment_id", "mlflow_run_id", "counts", "best_model", "best_checkpoint", "frame", "held",
        "at_bounds", "notes",
    }  # fmt: skip


SEARCHABLE = {
    "bounds_of", "draw", "hash", "nodes", "objective", "on", "restored", "run", "to_json", "with_nodes",
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "more"),
    [(Searchable, set()), (Experiment, {"configure", "from_json", "spelling"}), (Loop, {"from_json", "spelling"})],
)
def test_an_experiment_and_a_loop_can_do_this(kind: type[Searchable], more: set[str]) -> None:
    own = {name for each in kind.__mro__ if issubclass(each, Searchable) for name in vars(each)}
    public = {name for name in own if not name.startswith(("_", "model_")) and name not in kind.model_fields}
    assert public == SEARCHABLE | more


def test_a_loop_has_these_fields() -> None:
    assert list(Loop.model_fields) == ["name", "maximize", "minimize", "function", "source", "parameters"]


def test_a_trained_model_can_do_this() -> None:
    public = {name for name in vars(TrainedModel) if not name.startswith("_")} - {*TrainedModel.__dataclass_fields__}
    assert public == {"evaluate", "is_module", "load", "module", "of", "outputs_of", "predict", "raw", "save"}


def test_a_result_can_do_this() -> None:
    public = {name for name in vars(Result) if not name.startswith("_")} - {*Result.__dataclass_fields__}
    assert public >= {"load", "metrics", "why"}


def test_a_checkpoint_can_do_this() -> None:
    assert {name for name in vars(Checkpoint) if not name.startswith("_")} == {"save", "load"}


@pytest.mark.parametrize("kind", CONTRACTS)
def test_these_plugins_come_with_tunelab(kind: str) -> None:
    own = [name for name, claims in listings(kind).items() if claims[0].distribution == "tunelab"]
    assert own == PLUGINS[kind]


def test_a_trial_ends_in_one_of_these_states() -> None:
    assert [str(state) for state in State] == ["complete", "pruned", "diverged", "failed", "interrupted"]
