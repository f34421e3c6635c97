"""A member between two epochs, on disk: what it needs to go on as if nothing had happened."""

import shutil
from pathlib import Path

from tunelab.checkpoint import Checkpoint
from tunelab.contracts import Backend
from tunelab.errors import CheckpointError
from tunelab.training.member import Member
from tunelab.training.memory_limit import ran_out_of_memory


class MemberCheckpoints:
    """The checkpoints of a study's members, each trial's in a folder of its own.

    A member whose optimizer hands over to another, or keeps objects of its own, has none: it begins anew.

    Args:
        folder: of all of them; None keeps nothing.
        backend: what computes.
    """

    def __init__(self, folder: Path | None, backend: Backend) -> None:
        self._folder, self._backend = folder, backend

    def save(self, member: Member) -> None:
        """Write what the member needs; its last one is kept until the next.

        Raises:
            CheckpointError: a place where nothing can be written, or no memory to do it.
        """
        try:
            self._save(member)
        except (MemoryError, RuntimeError) as error:
            if not ran_out_of_memory(error):
                raise
            raise CheckpointError(f"trial {member.trial.number}: there is no memory to write one") from error

    def _save(self, member: Member) -> None:
        if self._folder is None or member.changes or member.own is not None or member.epoch == 0:
            return
        Checkpoint(trial_folder(self._folder, member.trial.number)).save(
            seed=member.trial.seed,
            params=dict(member.trial.params),
            epoch=member.epoch,
            step=member.step,
            memory=dict(member.memory),
            theta=self._backend.to_numpy(member.theta),
            slots={name: self._backend.to_numpy(values) for name, values in member.slots.items()},
            buffers={name: self._backend.to_numpy(values) for name, values in member.buffers.items()},
        )

    def restore(self, member: Member, epoch: int) -> None:
        """Bring a new member to its last checkpoint, unless that lies beyond an epoch, or is another trial's."""
        if self._folder is None:
            return
        try:
            state = Checkpoint(trial_folder(self._folder, member.trial.number)).load()
        except CheckpointError:
            return  # both copies are damaged: the member begins anew, and ends the same
        if state is None or state["epoch"] > epoch:
            return
        if (state["seed"], state["params"]) != (member.trial.seed, dict(member.trial.params)):
            return
        member.epoch, member.step, member.memory = state["epoch"], state["step"], state["memory"]
        member.theta = self._backend.asarray(state["theta"])
        member.slots = {name: self._backend.asarray(values) for name, values in state["slots"].items()}
        member.buffers = {name: self._backend.asarray(values) for name, values in state["buffers"].items()}


def trial_folder(folder: Path, trial: int) -> Path:
    """Return where a trial's checkpoint lies, given the folder of all of them."""
    return folder / f"trial-{trial}"


def forget(folder: Path, trial: int) -> None:
    """Remove a trial's checkpoint, if it has one."""
    shutil.rmtree(trial_folder(folder, trial), ignore_errors=True)
