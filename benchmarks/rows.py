"""The rows of the table: what runs for each, and what is made of it.

Sides that are compared take turns within a repeat, and a ratio is formed inside each repeat: both sides then saw the
same machine. Repeat r has the seed r.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean, median

from benchmarks import sides
from benchmarks.figures import Figure
from benchmarks.sides import Measured

WINDOW = 50
"""Trials on either side of the 100th and the 2,000th over which the engine's cost is averaged."""


@dataclass(frozen=True)
class Size:
    """How much is run.

    Attributes:
        trials: of a study.
        repeats: of whatever is compared.
        seeds: of the comparison of quality.
        late: the trial whose engine cost is compared with that of trial 100.
        steps: of Adam.
    """

    trials: int = 200
    repeats: int = 3
    seeds: int = 5
    late: int = 10_000
    steps: int = 2_000


# The same study is never run twice: what `quality` needs, `speed` has often run already.
_tunelab = cache(lambda trials, seed: sides.by_tunelab(trials=trials, seed=seed))
_by_hand = cache(lambda style, trials, seed: sides.by_hand(style, trials=trials, seed=seed))


def speed(size: Size) -> Iterator[Figure]:
    """Trials a second and CPU seconds a trial against the loops that people write by hand."""
    bounds = {"dataloader": (10, 20), "lean": (6, 10), "lean-2": (4, 7)}
    names = {"dataloader": "the DataLoader loop", "lean": "the lean loop", "lean-2": "the lean loop in two processes"}
    ours, theirs = [], {style: [] for style in bounds}
    for seed in range(size.repeats):
        ours.append(_tunelab(size.trials, seed))
        for style in bounds:
            theirs[style].append(_by_hand(style, size.trials, seed))
    for style, (reach, aim) in bounds.items():
        yield Figure(
            f"trials a second, against {names[style]}",
            _ratios(ours, theirs[style], _rate),
            "higher", reach, aim, "x", _both(ours, theirs[style], _rate, "/s")
            + f"; loops alone {_loops(ours, theirs[style])}",
        )  # fmt: skip
    yield Figure(
        "CPU seconds a trial, less than the lean loop by",
        _ratios(theirs["lean"], ours, _cpu), "higher", 4, 8, "x", _both(ours, theirs["lean"], _cpu, " s"),
    )  # fmt: skip


def quality(size: Size) -> Iterator[Figure]:
    """The best validation accuracy over some seeds, against the lean loop's."""
    pairs = [(_tunelab(size.trials, seed), _by_hand("lean", size.trials, seed)) for seed in range(size.seeds)]
    ours, theirs = ([pair[side].best_value for pair in pairs] for side in (0, 1))
    note = f"{', '.join(f'{a:.4f} / {b:.4f}' for a, b in zip(ours, theirs, strict=True))}"
    yield Figure(
        f"best validation accuracy, mean of {size.seeds} seeds, minus the lean loop's",
        (mean(ours) - mean(theirs),), "higher", -0.003, 1e-9, "", note,
    )  # fmt: skip


def first_trial(size: Size) -> Iterator[Figure]:
    """Seconds from `tunelab run` to the first complete trial."""
    sides.by_tunelab(trials=16, seed=0)  # warms the disk
    values: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(max(size.repeats, 3)):
        for with_store, taken in values.items():
            taken.append(sides.by_tunelab(trials=16, seed=0, with_store=with_store).first_trial_s)
    for with_store, taken in values.items():
        where = "there" if with_store else "not there yet"
        yield Figure(f"time to the first finished trial, store {where}", tuple(taken), "lower", 4, 2.5, " s")


def tracker(size: Size) -> Iterator[Figure]:
    """Wall time of the study with MLflow against that with `MemoryTracker`."""
    on, off = [], []
    for seed in range(size.repeats):
        on.append(sides.by_script("digits", trials=size.trials, seed=seed, tracker="mlflow"))
        off.append(sides.by_script("digits", trials=size.trials, seed=seed, tracker="memory"))
    yield Figure(
        "wall time, MLflow on / MemoryTracker",
        _ratios(on, off, _wall), "lower", 1.3, 1.1, "x",
        f"{_both(on, off, _wall, ' s')}; CPU {_both(on, off, _cpu, ' s')} a trial",
    )  # fmt: skip


def workers(size: Size) -> Iterator[Figure]:
    """Two workers against one: with MLflow's writer on the same cores, and without; a short study, and a longer one.

    The longer one has the random sampler: what TPE takes for an ask grows with the study, whoever trains.
    """
    cases = {
        f"{size.trials} trials (TPE), MLflow on": (size.trials, {"tracker": "mlflow"}),
        f"{size.trials} trials (TPE), MemoryTracker": (size.trials, {"tracker": "memory"}),
        f"{5 * size.trials:,} trials (random), MemoryTracker": (
            5 * size.trials,
            {"tracker": "memory", "sampler": "random"},
        ),
    }
    for name, (trials, options) in cases.items():
        two, one = [], []
        for seed in range(size.repeats):
            for count, ran in ((2, two), (1, one)):
                ran.append(sides.by_script("digits", trials=trials, seed=seed, workers=count, **options))
        yield Figure(
            f"trials a second, two workers against one, {name}",
            _ratios(two, one, _rate), "higher", 1.7, 1.9, "x",
            f"{_both(two, one, _rate, '/s')}; loops alone {_loops(two, one)}; "
            f"CPU {_both(two, one, _cpu, ' s')} a trial",
        )  # fmt: skip


def engine(size: Size) -> Iterator[Figure]:
    """What the engine's process spends on a trial late in a study, against early: all but waiting for its worker.

    Twenty epochs of next to no training, so the worker is never the reason. Wall time is the time outside
    `Executor.receive`: asking, storing, telling, the tracker's spool. CPU time is the whole process's, the thread that
    reads the worker's progress included. Both are slopes over the trials around the 100th and around the late one.
    Memory is what the process has at the end, less what it had at the 100th.
    """
    wall, cpu, memory, notes = [], [], [], []
    for seed in range(size.repeats):
        options = {"sampler": "random", "tracker": "mlflow", "engine-cost": ""}
        rounds = sides.by_script("tiny", trials=size.late + 2 * WINDOW, seed=seed, **options).more["rounds"]
        early, late = _cost(rounds, 100), _cost(rounds, size.late)
        wall.append(late[0] / early[0])
        cpu.append(late[1] / early[1])
        memory.append(rounds[-1][3] - next(entry for entry in rounds if entry[0] >= 100)[3])
        notes.append((early[0], late[0], early[1], late[1]))
    ms = [1e3 * median(column) for column in zip(*notes, strict=True)]
    name = f"engine cost of trial {size.late:,} / of trial 100"
    yield Figure(f"{name}, wall", tuple(wall), "lower", 1.5, 1.1, "x", f"{ms[1]:.1f} ms / {ms[0]:.1f} ms")
    yield Figure(f"{name}, CPU", tuple(cpu), "lower", 1.5, 1.1, "x", f"{ms[3]:.1f} ms / {ms[2]:.1f} ms")
    yield Figure(f"memory of the engine, from trial 100 to trial {size.late:,}", tuple(memory), "lower", 200, 50, " MB")


def _cost(rounds: Sequence[tuple[int, float, float, float]], trial: int) -> tuple[float, float]:
    """Return wall seconds (without waiting) and CPU seconds a trial around one of them."""
    first = next(entry for entry in rounds if entry[0] >= trial - WINDOW)
    last = next(entry for entry in rounds if entry[0] >= trial + WINDOW)
    ended = last[0] - first[0]
    return (last[1] - first[1]) / ended, (last[2] - first[2]) / ended


def reports(size: Size) -> Iterator[Figure]:
    """What a report of a person's own loop costs the engine's process: MLflow's spool and Optuna's journal included.

    A loop that does nothing but report, with 550 and with 50 reports a trial; the difference is the reports'.
    """
    for pruner, reach, aim in (("none", 1.0, 0.2), ("median", 1.0, 0.2)):
        values = []
        for seed in range(size.repeats):
            options = {"sampler": "random", "pruner": pruner, "engine-cost": ""}
            few, many = (
                sides.by_script(name, trials=20, seed=seed, **options).more for name in ("few_reports", "many_reports")
            )
            more = many["reports"] - few["reports"]
            values.append(1e3 * (many["rounds"][-1][2] - few["rounds"][-1][2]) / more)
        yield Figure(
            f"engine CPU a report of a loop, pruner {pruner}",
            tuple(values), "lower", reach, aim, " ms", f"{more:,} reports more",
        )  # fmt: skip


def structure(size: Size) -> Iterator[Figure]:
    """Studies that search width and depth too, against one trial at a time.

    TPE chooses other trials where others are in flight, and a wide network costs a hundred times a narrow one; so once
    more with the random sampler, which gives both sides the same trials.
    """
    cases = {
        "width and depth searched too, the plugin's own ranges": ("coarse", "tpe"),
        "the same, the same trials on both sides (random)": ("coarse", "random"),
        "width 16 to 256, depth 1 to 3, the same trials (random)": ("structure", "random"),
    }
    for name, (experiment, sampler) in cases.items():
        many, one = [], []
        for seed in range(size.repeats):
            for population, ran in ((None, many), (1, one)):
                options = {"sampler": sampler, "population": population}
                ran.append(sides.by_script(experiment, trials=size.trials, seed=seed, **options))
        shared = f"{median(ran.more['sharing'] for ran in many):.1f} trained together"
        yield Figure(
            f"{name}: trials a second, against --population 1",
            _ratios(many, one, _rate), "higher", 1.0, 1.5, "x",
            f"{_both(many, one, _rate, '/s')}; CPU {_both(many, one, _cpu, ' s')} a trial; {shared}",
        )  # fmt: skip


def adam(size: Size) -> Iterator[Figure]:
    """Adam's step per element, against torch's fused one."""
    found = [sides.adam(size.steps) for _ in range(size.repeats)]
    for name, torch in (("kernel alone", "torch_kernel"), ("optimizer's step()", "torch_optimizer")):
        ns = [median(one[side] for one in found) for side in ("tunelab", torch)]
        yield Figure(
            f"Adam's step, against torch's fused {name}",
            tuple(one["tunelab"] / one[torch] for one in found), "lower", 2.5, 1.5, "x",
            f"{ns[0]:.2f} ns / {ns[1]:.2f} ns per element",
        )  # fmt: skip


def modules(size: Size) -> Iterator[Figure]:
    """The study of `speed` with a person's own `nn.Module`, against the lean loop around the same module."""
    ours, theirs = [], []
    for seed in range(size.repeats):
        ours.append(sides.by_tunelab("module", trials=size.trials, seed=seed))
        theirs.append(_by_hand("lean", size.trials, seed))
    yield Figure(
        "a module of one's own: trials a second, against the lean loop",
        _ratios(ours, theirs, _rate), "higher", 3, 6, "x",
        f"{_both(ours, theirs, _rate, '/s')}; loops alone {_loops(ours, theirs)}; "
        f"CPU {_both(ours, theirs, _cpu, ' s')} a trial",
    )  # fmt: skip


def cnn(size: Size) -> Iterator[Figure]:
    """A small CNN on MNIST-5k, population of 8, per member-step, against the same module alone in a bare loop."""
    for batch in (16, 32):
        found = [sides.steps("cnn", batch=batch, members=8, epochs=3) for _ in range(size.repeats)]
        yield Figure(
            f"a CNN's step in a population of 8, batch {batch}: times faster than in a bare loop",
            _quotients(found, "torch", "tunelab"), "higher", 1.5, 3, "x", _microseconds(found),
        )  # fmt: skip


def large(size: Size) -> Iterator[Figure]:
    """A module of 10.5 million parameters alone, against a bare loop: time and memory."""
    for batch in (32, 128):
        found = [sides.steps("large", batch=batch, members=1, epochs=3) for _ in range(size.repeats)]
        yield Figure(
            f"a step of 10.5 million parameters, batch {batch}: time against a bare loop's",
            _quotients(found, "tunelab", "torch"), "lower", 1.03, 1, "x", _microseconds(found),
        )  # fmt: skip
    for side, name in {"torch": "Adam", "torch_fused": "Adam(fused=True)"}.items():
        pairs = [(sides.memory("large", "tunelab"), sides.memory("large", side)) for _ in range(size.repeats)]
        yield Figure(
            f"peak memory of these parameters against a bare loop's with {name}",
            tuple(ours / theirs for ours, theirs in pairs), "lower", 1.02, 1, "x",
            " MB / ".join(f"{median(column):.0f}" for column in zip(*pairs, strict=True)) + " MB",
        )  # fmt: skip


def _quotients(found: Sequence[dict[str, list[float]]], above: str, below: str) -> tuple[float, ...]:
    return tuple(median(one[above]) / median(one[below]) for one in found)


def _microseconds(found: Sequence[dict[str, list[float]]]) -> str:
    names = {"tunelab": "", "torch": " with Adam", "torch_fused": " with Adam(fused=True)"}
    return " / ".join(f"{median(median(one[side]) for one in found):,.0f} µs{name}" for side, name in names.items())


ROWS: dict[str, Callable[[Size], Iterator[Figure]]] = {
    "speed": speed,
    "quality": quality,
    "first-trial": first_trial,
    "tracker": tracker,
    "workers": workers,
    "engine": engine,
    "reports": reports,
    "structure": structure,
    "adam": adam,
    "modules": modules,
    "cnn": cnn,
    "large": large,
}


def _ratios(above: Sequence[Measured], below: Sequence[Measured], of: Callable[[Measured], float]) -> tuple[float, ...]:
    return tuple(of(a) / of(b) for a, b in zip(above, below, strict=True))


def _both(ours: Sequence[Measured], theirs: Sequence[Measured], of: Callable[[Measured], float], unit: str) -> str:
    a, b = median(map(of, ours)), median(map(of, theirs))
    return f"{a:.3g}{unit} / {b:.3g}{unit}"


def _loops(ours: Sequence[Measured], theirs: Sequence[Measured]) -> str:
    return _both(ours, theirs, lambda one: one.trials / one.loop_s, "/s")


def _rate(one: Measured) -> float:
    return one.rate


def _cpu(one: Measured) -> float:
    return one.cpu_s / one.trials


def _wall(one: Measured) -> float:
    return one.wall_s
