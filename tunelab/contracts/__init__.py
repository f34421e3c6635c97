"""What a plugin, a backend, a tracker and an executor must be. A plugin's author needs this page and no other.

Letters for axes: `P` member, `S` step, `B` batch row, `n` parameter. Hyperparameters are fields: each has its bounds
(`Field`), its default and, where it is worth searching, its range; `FromTrials` beside the range says from how many
trials on. A field whose value is a float may differ between the members of a population; any other field (a width, a
flag) is shared by the members that train together. A field may hold a plugin: its float fields may differ too, and the
rest of it is shared.
"""

from tunelab.contracts.arrays import Array, Hyper, Targets
from tunelab.contracts.backend import Backend, Torch
from tunelab.contracts.dataset import Dataset, Inputs, Outputs, Table
from tunelab.contracts.executor import Executor, Work, Worker
from tunelab.contracts.foreign import Foreign
from tunelab.contracts.model import Layer, LayerModel, Loss, Model, ModuleModel, Parameter, Tape
from tunelab.contracts.network import Network, Passes, Seats, Start, Tensor, blocks
from tunelab.contracts.optimizer import Optimizer, Own, Rule, Step, Sums, Wrapper
from tunelab.contracts.places import OwnFunction, found_at, place_of
from tunelab.contracts.plugin import INSIDE, Plugin, Search, Value
from tunelab.contracts.schedule import Schedule
from tunelab.contracts.tracker import Tracker
from tunelab.contracts.vouched import vouched_only

__all__ = [
    "INSIDE", "Array", "Backend", "Dataset", "Executor", "Foreign", "Hyper", "Inputs", "Layer", "LayerModel",
    "Loss", "Model", "ModuleModel", "Network", "Optimizer", "Outputs", "Own", "OwnFunction", "Parameter", "Passes",
    "Plugin", "Rule", "Schedule", "Search", "Seats", "Start", "Step", "Sums", "Table", "Tape", "Targets", "Tensor",
    "Torch", "Tracker", "Value", "Work", "Worker", "Wrapper", "blocks", "found_at", "place_of",
    "vouched_only",
]  # fmt: skip
