"""Calls with their arguments bent, beside each call that a test makes: whatever comes out of a contract, it is a refusal or a value.

While `bent_calls` holds, each call is tried a few times with bytes changed here and there, and all that it did is undone before the real
one. So a test of a contract leads it into its depths, and this looks around there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from chainnode import codec
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, Method
from chainnode.types.limits import TX_BYTES_MAX
from chainnode.types.transaction import Value

HURTFUL = (b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xc0", b"\xc1", b"\x90", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\xff" * 8)
NUMBERS = (0, 1, -1, 2, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1, -(2**63))
RUN = Method.run


@dataclass
class Tally:
    """What came of bent calls: by method and code, "" for those that were taken."""

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.outcomes.values())


@contextmanager
def bent_calls(seed: int, tries: int) -> Iterator[Tally]:
    """Bend each call of a contract method `tries` times. An exception that is no refusal fails, with what leads to it again."""
    random, tally = Random(seed), Tally()

    def run(method: Method, call: Call, state: State, arguments: tuple[Value, ...]) -> Value:
        for _ in range(tries):
            given = bent(random, arguments)
            if given is not None:
                code = outcome(method, call, state, given)
                tally.outcomes[method.name, code] = tally.outcomes.get((method.name, code), 0) + 1
        return RUN(method, call, state, arguments)

    def outcome(method: Method, call: Call, state: State, given: tuple[Value, ...]) -> str:
        mark = state.mark()
        try:
            codec.encode(RUN(method, call, state, given))
        except (Malformed, Rejected) as refusal:
            return refusal.code.name
        except BaseException as error:
            error.add_note(f"seed {seed}: {method.name}{given!r:.2000}")
            raise
        finally:
            state.undo_to(mark)
        return ""

    with patch.object(Method, "run", run):
        yield tally


def bent(random: Random, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The arguments with something else in them: one value in their depth, or bytes of their encoding. None if no transaction holds it."""
    if random.random() < 0.2:
        try:
            encoded = bytes_bent(random, codec.encode(arguments))
            return codec.as_array(codec.decode(encoded, bytes_max=TX_BYTES_MAX))
        except Malformed:
            return None
    made = value_bent(random, arguments)
    try:
        codec.encode(made)
    except Malformed:
        return None
    return made if isinstance(made, tuple) else None


def value_bent(random: Random, value: Any) -> Any:
    """The value, or one within it, bent."""
    if isinstance(value, tuple) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        return (*value[:place], value_bent(random, value[place]), *value[place + 1 :])
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(sorted(value))
        return {**value, name: value_bent(random, value[name])}
    if isinstance(value, bytes):
        return random.choice((bytes_bent(random, value), bytes_bent(random, value), random.randbytes(random.choice((0, 1, 20, 32, 64)))))
    if isinstance(value, str):
        return bytes_bent(random, value.encode()).decode(errors="replace")
    if type(value) is int:
        return random.choice((*NUMBERS, value + 1, value - 1))
    if isinstance(value, tuple):
        return random.choice((value[:-1], value + value, value * 40, (value,), (*value, None), ()))
    return random.choice((None, True, False, 0, "", b"", (), {}, "x" * 300, b"x" * 70_000))


def bytes_bent(random: Random, data: bytes) -> bytes:
    """The bytes with one to three changes: one flipped, some cut out, put in, or twice."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        place = random.randrange(len(data) + 1)
        end = min(len(data), place + random.choice((1, 1, 2, 8, 32, 200)))
        if data and random.random() < 0.5:
            place = min(place, len(data) - 1)
            data = data[:place] + bytes((data[place] ^ 1 << random.randrange(8),)) + data[place + 1 :]
            continue
        other = random.choice((b"", random.choice(HURTFUL), data[place:end] * 2, random.choice(HURTFUL) + data[place:end]))
        data = data[:place] + other + data[end:]
    return data
