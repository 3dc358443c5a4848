"""Contract methods as rows of a table: who calls, with what, and the check of arguments against their annotations."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from types import ModuleType, NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.types.codes import BAD_ARGUMENTS, SIGNER_MISSING, Code
from chainnode.types.transaction import Value

_MARK = "_is_contract_method"
_Function = TypeVar("_Function", bound=Callable[..., Value])
Check = Callable[[Any], bool]
_TUPLE = frozenset({tuple})
_SCALARS = (str, bytes, int, bool, NoneType)


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of a call. `signers` are DIDs whose keys were checked, the first is `sender`.

    `height` and `time_ms` are the block's; `index` is the transaction's place in it.
    """

    sender: str
    signers: tuple[str, ...]
    tx_id: bytes
    chain_id: str
    height: int
    time_ms: int
    index: int

    def require_signer(self, did: str) -> None:
        """Rejected(SIGNER_MISSING) unless `did` signed the transaction."""
        require(did in self.signers, SIGNER_MISSING, f"{did} has not signed")


@dataclass(frozen=True, slots=True)
class Method:
    """One row: `checks` has a name and a check per argument; `types` the type of each, if all are scalars."""

    name: str
    function: Callable[..., Value]
    checks: tuple[tuple[str, Check], ...]
    types: tuple[Any, ...] | None = None

    def run(self, call: Call, state: State, arguments: tuple[Value, ...]) -> Value:
        """Call it. Rejected(BAD_ARGUMENTS) names the argument that does not fit. Hot: scalars are checked all at once."""
        if tuple(map(type, arguments)) == self.types:
            return self.function(call, state, *arguments)
        if len(arguments) != len(self.checks):
            wanted = ", ".join(name for name, _ in self.checks)
            raise Rejected(BAD_ARGUMENTS, f"{self.name} takes {len(self.checks)} arguments ({wanted}), not {len(arguments)}")
        for (name, check), argument in zip(self.checks, arguments, strict=True):
            if not check(argument):
                raise Rejected(BAD_ARGUMENTS, f"argument {name} of {self.name} has the wrong type")
        return self.function(call, state, *arguments)


def require(condition: bool, code: Code, detail: str = "") -> None:
    """Rejected(code) unless the condition holds. `detail` must be deterministic."""
    if not condition:
        raise Rejected(code, detail)


def method(function: _Function) -> _Function:
    """Make a function `(call, state, *arguments)` of a contract's module callable by transactions."""
    setattr(function, _MARK, True)
    return function


def methods_of(*modules: ModuleType) -> dict[str, Method]:
    """The table of a contract: the marked functions of its modules, by name."""
    table: dict[str, Method] = {}
    for module in modules:
        for name, function in vars(module).items():
            if getattr(function, _MARK, False) and function.__module__ == module.__name__:
                assert name not in table
                table[name] = Method(name, function, _checks(function), _types(function))
    return table


def _checks(function: Callable[..., Value]) -> tuple[tuple[str, Check], ...]:
    hints = get_type_hints(function)
    names = [name for name in hints if name != "return"][2:]  # behind call and state
    return tuple((name, check_of(hints[name])) for name in names)


def _types(function: Callable[..., Value]) -> tuple[Any, ...] | None:
    hints = get_type_hints(function)
    types = tuple([hints[name] for name in hints if name != "return"][2:])
    return types if all(one in _SCALARS for one in types) else None


def check_of(annotation: Any) -> Check:
    """A test whether a codec value is of this type: the scalars, tuples of them, unions with None, or any Value."""
    if annotation in _SCALARS:
        return lambda value: type(value) is annotation  # a bool is no int here
    arguments = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        if any(get_origin(item) is dict for item in arguments):  # it is Value itself, whose parts do not resolve
            return lambda value: True
        checks = tuple(check_of(item) for item in arguments)
        return lambda value: any(check(value) for check in checks)
    assert get_origin(annotation) is tuple, f"{annotation} is no type of an argument"
    if arguments[-1] is Ellipsis:
        if get_origin(arguments[0]) is tuple and all(part in _SCALARS for part in get_args(arguments[0])):
            return _check_of_rows(get_args(arguments[0]))
        item = check_of(arguments[0])
        return lambda value: type(value) is tuple and all(map(item, value))
    items = tuple(check_of(argument) for argument in arguments)
    return lambda value: (
        type(value) is tuple and len(value) == len(items) and all(check(part) for check, part in zip(items, value, strict=True))
    )


def _check_of_rows(types: tuple[Any, ...]) -> Check:
    """A test for an array of arrays of these scalars. Hot: a call that anchors thousands of records; 0.1 us a row."""

    def check(value: Any) -> bool:
        if type(value) is not tuple or not _TUPLE.issuperset(map(type, value)):
            return False
        widths = set(map(len, value))
        return widths <= {len(types)} and tuple(map(type, chain.from_iterable(value))) == types * len(value)

    return check
