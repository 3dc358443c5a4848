"""Methods as rows of a table: arguments are checked against annotations, and each misfit has its code and names its argument."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, check_of, method, methods_of, require
from chainnode.types.codes import BAD_ARGUMENTS, NOT_FOUND
from chainnode.types.transaction import Value
from tests.execution.readers import DictReader

CALL = Call("did:a", ("did:a", "did:b"), b"\x01" * 32, "test-1", 7, 1_000, 0)
ANYTHING = (None, True, False, 0, 1, -1, 2**64 - 1, "", "text", b"", b"bytes", (), (1,), ("a", b"b"), {}, {"a": 1})


def seen(call: Call, state: State, name: str, count: int, rest: tuple[bytes, ...]) -> Value:
    """A method."""
    return (call.sender, name, count, rest)


def table_of(*functions: Any) -> dict[str, Any]:
    """The methods of a module with these functions."""
    module = ModuleType("contracts.made")
    for function in functions:
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    return methods_of(module)


def run(row: Any, *arguments: Value) -> Value:
    """Call a method."""
    return row.run(CALL, State(DictReader()), arguments)


def refused(row: Any, *arguments: Value) -> str:
    """The detail of a refusal for its arguments."""
    with pytest.raises(Rejected) as refusal:
        run(row, *arguments)
    assert refusal.value.code == BAD_ARGUMENTS
    return refusal.value.detail


def test_a_method_gets_call_state_and_its_arguments() -> None:
    row = table_of(method(seen))["seen"]
    assert [name for name, _ in row.checks] == ["name", "count", "rest"]
    assert run(row, "x", 3, (b"a", b"b")) == ("did:a", "x", 3, (b"a", b"b"))
    assert run(row, "", 0, ()) == ("did:a", "", 0, ())


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", 3), ("x", 3, (), ()), ("x", 3, (), None)])
def test_the_number_of_arguments_is_told(arguments: tuple[Value, ...]) -> None:
    row = table_of(method(seen))["seen"]
    assert refused(row, *arguments) == f"seen takes 3 arguments (name, count, rest), not {len(arguments)}"


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("name", (3, "x", ())),
        ("name", (b"x", 3, ())),
        ("count", ("x", "3", ())),
        ("count", ("x", True, ())),
        ("count", ("x", None, ())),
        ("rest", ("x", 3, None)),
        ("rest", ("x", 3, b"ab")),
        ("rest", ("x", 3, (b"a", "b"))),
        ("rest", ("x", 3, ((b"a",),))),
        ("rest", ("x", 3, {})),
    ],
)
def test_the_first_argument_that_does_not_fit_is_told(name: str, arguments: tuple[Value, ...]) -> None:
    row = table_of(method(seen))["seen"]
    assert refused(row, *arguments) == f"argument {name} of seen has the wrong type"


# What fits which annotation; all else in ANYTHING does not.
FITS: list[tuple[Any, tuple[Value, ...]]] = [
    (str, ("", "text")),
    (bytes, (b"", b"bytes")),
    (int, (0, 1, -1, 2**64 - 1)),
    (bool, (True, False)),
    (type(None), (None,)),
    (int | None, (None, 0, 1, -1, 2**64 - 1)),
    (str | bytes, ("", "text", b"", b"bytes")),
    (tuple[int, ...], ((), (1,))),
    (tuple[str, bytes], (("a", b"b"),)),
    (tuple[str | int, ...], ((), (1,))),
    (tuple[int | None], ((1,),)),
    (tuple[int], ((1,),)),
    (Value, ANYTHING),
    (tuple[Value, ...], ((), (1,), ("a", b"b"))),
]


@pytest.mark.parametrize("annotation, fitting", FITS, ids=lambda one: str(one)[:30])
def test_a_value_fits_its_annotation_exactly(annotation: Any, fitting: tuple[Value, ...]) -> None:
    check = check_of(annotation)
    for value in ANYTHING:
        does_fit = any(type(value) is type(one) and value == one for one in fitting)  # True is no 1 here
        assert check(value) == does_fit, value


def test_nested_annotations_are_checked_all_the_way_down() -> None:
    check = check_of(tuple[tuple[str, tuple[tuple[int, bytes], ...]], ...])
    assert check(()) and check((("a", ()),)) and check((("a", ((1, b"x"), (2, b""))), ("b", ())))
    for odd in (
        ((),),
        (("a",),),
        (("a", (1, b"x")),),
        (("a", ((1, "x"),)),),
        (("a", ((True, b"x"),)),),
        (("a", ((1, b"x", 2),)),),
        [("a", ())],
    ):
        assert not check(odd)


def test_an_annotation_that_no_transaction_carries_is_our_bug() -> None:
    for odd in (float, dict[str, int], list[int], object):
        with pytest.raises(AssertionError):
            check_of(odd)


def test_only_marked_functions_of_the_module_itself_are_methods() -> None:
    def open_to_all(call: Call, state: State) -> Value:
        return None

    def kept_inside(call: Call, state: State) -> Value:
        return None

    assert set(table_of(method(open_to_all), kept_inside)) == {"open_to_all"}
    elsewhere = ModuleType("contracts.elsewhere")
    elsewhere.open_to_all = open_to_all  # imported there, of another module
    assert methods_of(elsewhere) == {}


def test_a_name_is_taken_once() -> None:
    def one(call: Call, state: State) -> Value:
        return None

    def other(call: Call, state: State) -> Value:
        return None

    modules = []
    for number, function in enumerate((method(one), method(other))):
        module = ModuleType(f"contracts.part{number}")
        function.__module__ = module.__name__
        module.same = function
        modules.append(module)
    with pytest.raises(AssertionError):
        methods_of(*modules)


def test_a_signer_is_one_of_those_who_signed() -> None:
    CALL.require_signer("did:a")
    CALL.require_signer("did:b")
    with pytest.raises(Rejected) as refusal:
        CALL.require_signer("did:c")
    assert (refusal.value.code.name, refusal.value.detail) == ("signer-missing", "did:c has not signed")


def test_require_says_no_with_its_code() -> None:
    require(True, NOT_FOUND)
    with pytest.raises(Rejected) as refusal:
        require(False, NOT_FOUND, "nothing here")
    assert (refusal.value.code, refusal.value.detail) == (NOT_FOUND, "nothing here")
    with pytest.raises(Rejected) as refusal:
        require(False, NOT_FOUND)
    assert refusal.value.detail == NOT_FOUND.meaning


def scalars(call: Call, state: State, name: str, count: int, is_so: bool, digest: bytes, nothing: None) -> Value:
    """A method whose arguments are checked all at once."""
    return (name, count, is_so, digest, nothing)


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("argument", ANYTHING, ids=repr)
def test_scalars_are_checked_at_once_as_one_by_one(place: int, argument: Value) -> None:
    row = table_of(method(scalars))["scalars"]
    assert row.types == (str, int, bool, bytes, type(None))
    good = ("x", 1, True, b"d", None)
    arguments = (*good[:place], argument, *good[place + 1 :])
    slow = replace(row, types=None)
    if type(argument) is row.types[place]:
        assert run(row, *arguments) == run(slow, *arguments) == arguments
    else:
        assert refused(row, *arguments) == refused(slow, *arguments)


def test_rows_with_other_arguments_are_checked_one_by_one() -> None:
    assert table_of(method(seen))["seen"].types is None
