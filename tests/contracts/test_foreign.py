"""A plugin made of somebody's class or function: its parameters are the fields."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import cloudpickle
import pytest
from pydantic import Field

from tunelab.contracts import Foreign, Model, Plugin, Search
from tunelab.drawing import alternatives, draw, rebuild
from tunelab.encoding import decode, encode
from tunelab.errors import ExperimentError, PluginError
from tunelab.space import Choice, Float, Int


class Built(Foreign, Model):
    """What `TorchModel` is to be, without torch."""

    def build(self, inputs: int = 0) -> Any:
        return self.call(inputs)

    @classmethod
    def supplied(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in ("inputs", "outputs"))


def net(inputs: int, width: int = 64, rate: float = 0, kind: Literal["a", "b"] = "a", *, shape=(1, 2)) -> Any:  # type: ignore[no-untyped-def]
    return inputs, width, rate, kind, shape


class Net:
    def __init__(self, depth, rate=0.5, act: Callable[[float], float] = abs, limit: int = None):  # type: ignore[no-untyped-def, assignment]  # noqa: RUF013
        self.given = depth, rate, act, limit


def bounded(width: Annotated[int, Field(ge=1), Int(8, 64)] = 32, rate: "Unreadable" = 0.1) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Its annotations say where it is searched."""


def colliding(loss="mse", copy=1, schema=2.0, _deep=3, target=4):  # type: ignore[no-untyped-def]
    return loss, copy, schema, _deep, target


def rated(inputs: int, rate: "float | Path" = 1, sizes: list[int] = [3, 4]) -> None:  # noqa: B006
    """Annotations that speak of more than plain values."""


def test_its_fields_are_the_parameters_that_it_does_not_give_itself_with_their_defaults() -> None:
    assert dict(Built(net)) == {"width": 64, "rate": 0.0, "kind": "a", "shape": (1, 2)}
    assert Built(net, width=3, shape=[4, 5]).build(inputs=7) == (7, 3, 0.0, "a", (4, 5))
    assert Built(Net, depth=2).build.__self__.arguments() == {"depth": 2, "rate": 0.5, "limit": None}
    assert Foreign(Net, depth=2).call().given == (2, 0.5, abs, None)


def test_a_target_may_be_given_by_its_place() -> None:
    assert Built(f"{__name__}:net") == Built(net)
    with pytest.raises(PluginError, match=r"'nowhere:net' cannot be imported here: .*put it in a module that can be"):
        Built("nowhere:net")


@pytest.mark.parametrize("value", [1, 1.5, "text", True, None, (1, 2.5), ("a", None)])
def test_a_parameter_without_an_annotation_takes_any_plain_value_as_it_is(value: Any) -> None:
    held = Foreign(Net, depth=value).depth  # type: ignore[attr-defined]
    assert held == value
    assert type(held) is type(value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Built(net, widht=3), r"net has no field 'widht'; did you mean 'width'\? Known: kind, rate, "),
        (lambda: Built.search(net, rat=1.0), r"net has no field 'rat'; did you mean 'rate'"),
        (lambda: Built(net, inputs=3), "net has no field 'inputs'"),
        (lambda: Built(net, width="wide"), "net: width: .*valid integer.*was 'wide'"),
        (lambda: Built(net, kind="c"), "net: kind: .*'a' or 'b'"),
        (lambda: Built(net, rate=float("nan")), "net: rate: .*was nan"),
        (lambda: Built(Net), "Net: depth: field required"),
        (lambda: Built(Net, depth=object()), "Net: depth"),
        (lambda: Built(Net, depth=1, act=max), r"no field 'act'; the parameter keeps its default .*abs"),
        (lambda: Built(net, width=Int(1, 2)), r"takes values only; write Built.search\(net, width=...\)"),
        (lambda: Built.search(net, width=Float(0, 1)), "net: width=Float"),
        (lambda: Built(width=3), r"Built needs the class or function .* first, as in Built\(target, ...\)"),
        (lambda: Built.search(width=3), "Built needs the class or function"),
        (lambda: Built(3), "Built needs a class or a function, was given 3"),
        (lambda: Built.of(net)(Net), "net is made of net already; was given Net too"),
        (lambda: Built(dict), "dict does not say what its parameters are"),
    ],
)  # fmt: skip
def test_it_refuses(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(PluginError, match=says):
        make()


def test_a_target_without_a_parameter_that_the_plugin_needs_is_refused() -> None:
    class Paced(Foreign):
        lr: float

    assert Paced(lambda lr=0.5: lr).lr == 0.5
    with pytest.raises(PluginError, match="Paced: net must have a parameter 'lr', and has none"):
        Paced(net)


def test_classes_of_one_name_are_told_apart_where_members_are_sorted() -> None:
    other = type("Net", (Net,), {"__module__": "elsewhere"})
    kinds = [Foreign.of(Net), Foreign.of(other)]
    assert kinds[0].__name__ == kinds[1].__name__ == "Net"
    assert len({repr(kind) for kind in kinds}) == 2


def test_what_the_plugin_declares_of_a_field_comes_before_the_annotation() -> None:
    class Paced(Foreign):
        lr: Annotated[float, Field(gt=0)]

    def paced(lr: "int | Path" = 1, other: int = 2) -> None: ...
    def unpaced(lr: float | None = None) -> None: ...

    assert dict(Paced(paced)) == {"lr": 1.0, "other": 2}
    with pytest.raises(PluginError, match="paced: lr: input should be greater than 0"):
        Paced(paced, lr=0.0)
    with pytest.raises(PluginError, match="unpaced: lr: field required"):
        Paced(unpaced)


def test_a_plugin_may_refuse_a_target() -> None:
    class Picky(Foreign):
        @classmethod
        def require(cls, target: Any) -> None:
            if target is Net:
                raise PluginError("not that one")

    with pytest.raises(PluginError, match="not that one"):
        Picky.of(Net)
    assert dict(Picky(colliding))


def test_a_parameter_called_like_something_of_the_plugin_has_an_underscore_behind() -> None:
    made = Built(colliding, loss_="mae", copy_=5)
    assert dict(made) == {"loss_": "mae", "copy_": 5, "schema_": 2.0, "target_": 4}
    assert made.call() == ("mae", 5, 2.0, 3, 4)
    assert made.loss("none") is None
    with pytest.raises(PluginError, match="no field 'loss'; did you mean 'loss_'"):
        Built(colliding, loss="mae")


def test_annotations_say_what_a_field_takes_and_where_it_is_searched() -> None:
    assert Built.search(bounded).fields == {"width": Int(8, 64)}
    assert Built.search(bounded).own == {"width"}
    with pytest.raises(PluginError, match="greater than or equal to 1"):
        Built(bounded, width=0)
    with pytest.raises(NameError):
        get_type_hints(bounded)  # and yet it has fields
    assert Built(bounded, rate="fast").rate == "fast"  # type: ignore[attr-defined]
    assert dict(Built(rated, rate=2)) == {"rate": 2.0, "sizes": (3, 4)}
    assert type(dict(Built(rated))["rate"]) is float


def test_floats_may_differ_between_members_and_the_rest_is_structure() -> None:
    assert Built(net, rate=0.5).numbers() == {"rate": 0.5}
    assert Built(net, rate=0.5).structure() == Built(net, rate=0.25).structure()
    different = [
        Built(net),
        Built(net, width=3),
        Built(net, shape=(1, 2, 3)),
        Built(Net, depth=1),
        Foreign(net, inputs=1),
    ]
    assert len({one.structure() for one in different}) == len(different)


def test_what_is_made_of_the_same_with_the_same_values_is_equal_and_frozen() -> None:
    assert Built(net, width=3) == Built(net, width=3)
    assert hash(Built(net, width=3)) == hash(Built(net, width=3))
    assert Built(net) != Built(net, width=3)
    assert Built.search(net, width=Int(1, 4)) == Built.search(net, width=Int(1, 4))
    assert Built.of(net) is Built.of(net)
    assert repr(Built(net, width=3)) == "net(width=3, rate=0.0, kind='a', shape=(1, 2))"
    with pytest.raises(ValueError, match="frozen"):
        Built(net).width = 4  # type: ignore[attr-defined]
    assert Built(net).model_copy(update={"width": 3}) == Built(net, width=3)


class First:
    def number(self, name: str, within: Float | Int, default: float | None) -> float | int:
        return within.low

    def option(self, name: str, labels: tuple[Any, ...], default: Any) -> Any:
        return labels[-1]


def test_it_is_drawn_and_rebuilt_under_the_names_of_any_plugin() -> None:
    node = Choice(Built(Net, depth=1), Built.search(net, rate=Float(0.25, 0.5), shape=(3, 4)))
    assert list(alternatives(node)) == ["Net", "net"]
    params = dict(draw(node, First(), "model", "model"))
    assert params == {"model": "net", "model.width": 64, "model.rate": 0.25, "model.kind": "a"}
    assert rebuild(node, params, "model") == Built(net, rate=0.25, shape=(3, 4))


NODES: list[Plugin | Search] = [
    Built(net, width=3),
    Built(Net, depth=None),
    Built.search(net, rate=Float(0, 1), shape=(5,)),
    Built.search(Net, depth=Choice(1, "two", None)),
]


@pytest.mark.parametrize("node", NODES, ids=repr)
def test_it_comes_back_from_json(node: Any) -> None:
    form = json.loads(json.dumps(encode(node)))
    assert form["plugin"] == f"{__name__}:Built"
    assert form["of"] in (f"{__name__}:net", f"{__name__}:Net")
    assert decode(form, None) == node


def test_json_that_names_what_cannot_be_found_says_what_to_do() -> None:
    def local(width: int = 3) -> None: ...

    with pytest.raises(PluginError, match=r"local' cannot be imported here: .*running the file that defines it"):
        decode(encode(Built(local)), None)
    with pytest.raises(ExperimentError, match="'adam' is a plugin by itself, and is not made of 'math:hypot'"):
        decode({"plugin": "adam", "of": "math:hypot", "fields": {}}, "optimizer")


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
@pytest.mark.parametrize("node", NODES, ids=repr)
def test_it_comes_back_from_pickle(node: Any, pickler: Any) -> None:
    assert pickle.loads(pickler.dumps(node)) == node


SCRIPT = """
import cloudpickle, subprocess, sys
from tunelab.contracts import Foreign
from tunelab.space import Int

class Mine:
    def __init__(self, width=3, rate=0.5):
        self.width = width

def mine(width=3):
    return width + 1

fixed, searched = Foreign(Mine, width=7), Foreign.search(mine, width=Int(1, 4))
code = '''
import pickle, sys
fixed, again, searched = pickle.load(sys.stdin.buffer)
assert fixed == again and type(fixed) is type(again), (fixed, again)
print(fixed, fixed.call().width, searched.plugin(width=1).call(), sorted(fixed.numbers()), searched)
'''
sent = cloudpickle.dumps((fixed, Foreign(Mine, width=7), searched))
print(subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True).stdout.decode())
"""


def test_what_a_script_defines_reaches_another_process_by_value(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split("\n")[0] == "Mine(width=7, rate=0.5) 7 2 ['rate'] mine.search(width=Int(1, 4))"


class Ready(Foreign):
    """Written out, and bound to what is imported only when it is called."""

    target = "math:hypot"
    x: float = 3.0

    def arguments(self) -> dict[str, Any]:
        return {}


def test_a_subclass_may_be_written_out() -> None:
    assert Ready().call(3.0, 4.0) == 5.0
    assert encode(Ready()) == {"plugin": f"{__name__}:Ready", "fields": {"x": 3.0}}
    assert decode(encode(Ready(x=1.0)), None) == Ready(x=1.0) == pickle.loads(pickle.dumps(Ready(x=1.0)))
    assert list(alternatives(Choice(Ready(), Built(net)))) == ["ready", "net"]
