"""One optimizer hands over to the next in the course of a member's training, and its state with it where it fits."""

from tunelab.contracts import Backend, Rule
from tunelab.training.member import Member, fresh_slots
from tunelab.training.pieces import by_prefix, tensors_of


def hand_over(member: Member, backend: Backend) -> None:
    """Let the optimizer that is planned from here on take over.

    A wrapper that stays keeps its slots. A rule whose slots are all discounted sums that the last rule had too goes on
    with these and with the count of its steps; any other begins anew, its first step being t = 1.
    """
    before = member.optimizer
    heir = before.bequeath(
        member.configuration.penalised.at_step(member.step, member.total),
        {name: backend.to_numpy(values) for name, values in member.slots.items()},
    )
    slots = fresh_slots(heir, member.network, member.theta, backend)
    levels = by_prefix(before)
    for prefix, level in by_prefix(heir).items():
        if type(levels.get(prefix)) is type(level) and not isinstance(level, Rule):
            for name in level.slots:
                slots[prefix + name] = member.slots[prefix + name]
    *_, old_prefix = levels
    *_, new_prefix = by_prefix(heir)
    shares = inherited(before.rule, heir.rule, member.step - member.began)
    for name, (source, share) in (shares or {}).items():
        slots[new_prefix + name][...] = member.slots[old_prefix + source] * share
    if shares is None:
        member.began = member.step
    member.optimizer, member.slots = heir, slots
    member.own = heir.rule.begin(tensors_of(member.theta, member.network), member.trial.seed)


def inherited(before: Rule, heir: Rule, steps: int) -> dict[str, tuple[str, float]] | None:
    """Return where each slot of the heir comes from, and what it is multiplied by; None where not all can be had.

    The discounted mean of what was summed stays the same where the decays differ: a sum of t terms with decay d weighs
    (1 - d^t) / (1 - d).

    >>> from tunelab.optimizers import Adam, Momentum
    >>> inherited(Adam(), Momentum(momentum=0.9), 10)
    {'velocity': ('m', 1.0)}
    >>> inherited(Momentum(), Adam(), 10) is None
    True
    """
    sources = {meaning: (name, getattr(before, decay)) for name, (meaning, decay) in before.sums.items()}
    if set(heir.slots) != set(heir.sums) or any(meaning not in sources for meaning, _ in heir.sums.values()):
        return None
    found = {}
    for name, (meaning, decay) in heir.sums.items():
        source, old = sources[meaning]
        found[name] = (source, _weight(getattr(heir, decay), steps) / _weight(old, steps))
    return found


def _weight(decay: float, terms: int) -> float:
    return (1 - decay**terms) / (1 - decay)
