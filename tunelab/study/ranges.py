"""Every range of an experiment: where it stands, and the same experiment with others in their places."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from tunelab.contracts import Plugin, Search
from tunelab.drawing import Node, alternatives, settled
from tunelab.searchable import Searchable
from tunelab.space import Choice, Range


@dataclass(frozen=True)
class Where:
    """Where a range stands.

    Attributes:
        plugin: the class whose field holds it; whose bounds an experiment's own field keeps (`bounds_of`).
        field: that field.
        name: the flat name, the same for every alternative: `optimizer.lr`.
        path: the name that tells alternatives apart: `optimizer.adam.lr`.
        own: the plugin brings the range, and nobody asked for it by name.
    """

    plugin: type[Plugin]
    field: str
    name: str
    path: str
    own: bool = False

    def inside(self, search: Search, field: str) -> "Where":
        """Return where the field of a search stands that stands here."""
        return Where(search.plugin, field, f"{self.name}.{field}", f"{self.path}.{field}", field in search.own)


Change = Callable[[Range, Where], Node]


def ranges(experiment: Searchable) -> Mapping[str, tuple[Range, Where]]:
    """Return every range by path, a choice of plugins before the ranges of its options."""
    found: dict[str, tuple[Range, Where]] = {}

    def note(range_: Range, where: Where) -> Node:
        found[where.path] = range_, where
        return range_

    replaced(experiment, note)
    return found


def replaced(experiment: Searchable, change: Change) -> Searchable:
    """Return the experiment with what `change` makes of each range in its place: a range, or a value.

    A range that is changed is the plugin's own no more. A choice whose options would become alike stays as it is:
    who wrote them apart wants them apart.
    """
    nodes = {
        field: _replaced(node, change, Where(*experiment.bounds_of(field), field, field))
        for field, node in experiment.nodes.items()
    }
    return experiment if nodes == experiment.nodes else experiment.with_nodes(nodes)


def _replaced(node: Node, change: Change, where: Where) -> Node:
    if isinstance(node, Range):
        node = change(node, where)
    if isinstance(node, Choice):
        return _with_options(node, change, where)
    if isinstance(node, Search):
        fields = {field: _replaced(value, change, where.inside(node, field)) for field, value in node.fields.items()}
        own = frozenset(field for field in node.own if fields[field] == node.fields[field])
        return settled(Search(node.plugin, fields, own))
    return node


def _with_options(choice: Choice, change: Change, where: Where) -> Choice:
    options = [
        _replaced(option, change, replace(where, path=f"{where.path}.{label}"))
        for label, option in alternatives(choice).items()
    ]
    return choice if any(one == other for one, other in combinations(options, 2)) else Choice(*options)
