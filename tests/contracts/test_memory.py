"""No call leaves what it names in the memory of the process: caches hold nothing whose length a stranger chooses."""

import sys
from functools import _lru_cache_wrapper
from typing import Any

from chainnode.types.limits import STATE_VALUE_BYTES_MAX
from tests.contracts.council import Council
from tests.contracts.receipt_world import Refused
from tests.contracts.test_registry import STORY, at, bent, paths, play


def test_no_cache_keeps_a_text_or_bytes_of_any_length() -> None:
    world = Council(("ada",))
    asked = 0
    caches = caches_of("chainnode", "contracts")
    assert len(caches) > 10
    for step in STORY:
        arguments = step[2](world)
        for path in paths(arguments):
            value = at(arguments, path)
            if not isinstance(value, (str, bytes)):
                continue
            filler = "x" * (STATE_VALUE_BYTES_MAX + 1) if isinstance(value, str) else b"x" * (STATE_VALUE_BYTES_MAX + 1)
            call(world, step, bent(arguments, path, filler))
            before = [one.cache_info().currsize for one in caches]
            call(world, step, bent(arguments, path, filler + filler[:1]))
            after = [one.cache_info().currsize for one in caches]
            grown = [f"{one.__module__}.{one.__name__}" for one, old, new in zip(caches, before, after, strict=True) if new > old]
            assert not grown, (step[0], path, grown)
            asked += 1
        assert play(world, step, arguments) == "ok"
    assert asked > 200


def caches_of(*packages: str) -> list[Any]:
    """The caches of functions and methods in all modules of these packages that are loaded."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in packages]
    spaces = [vars(module) for module in modules]
    spaces += [vars(one) for space in spaces for one in space.values() if isinstance(one, type)]
    return list({id(one): one for space in spaces for one in space.values() if isinstance(one, _lru_cache_wrapper)}.values())


def call(world: Council, step: Any, arguments: tuple[Any, ...]) -> None:
    """A call that may be refused, in no block."""
    mark = world.height, world.time_ms
    try:
        world.do(step[1].split(), step[0], *arguments)
    except Refused:
        world.height, world.time_ms = mark
    else:
        raise AssertionError(f"{step[0]} takes {len(arguments)} arguments of any length")
