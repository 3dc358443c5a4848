"""How long tests wait: for what must come, far longer than it takes anywhere; for what must run out, longer at each attempt."""

import os
from collections.abc import Awaitable, Callable

# It ends early wherever all is well. The mutants, whose rules are bent, have less: they may wait for what never comes.
DEADLINE_S = float(os.environ.get("CHAINNODE_DEADLINE_S", "60"))
FACTORS = (1, 8, 40)


async def patiently(attempt: Callable[[int], Awaitable[None]], first_ms: int) -> None:
    """A test of a limit of time, which a machine that stands still for a moment may run into too early: tried with ever longer ones.

    `attempt` gets the limit in milliseconds and makes all it needs anew. What the last one raises is raised.
    """
    for factor in FACTORS[:-1]:
        try:
            return await attempt(first_ms * factor)
        except Exception:
            continue
    return await attempt(first_ms * FACTORS[-1])
