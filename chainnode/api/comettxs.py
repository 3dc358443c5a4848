"""The methods of CometBFT's RPC about transactions: sending them, finding them, what became of them.

Where CometBFT has the hash of a transaction's bytes, ours has the transaction's id: the hash of what was signed, which no
other signature changes. Proofs are CometBFT's: from the hash of all bytes to the header's data_hash.
"""

import asyncio
import re
from collections.abc import Sequence

from chainnode.api.backend import Backend, Committed, Submitted
from chainnode.api.cometcalls import INTERNAL, INVALID_PARAMS, Arguments, CometError, height_of, not_available
from chainnode.api.comettxforms import block_results_form, broadcast_form, check_form, result_form, tx_forms
from chainnode.api.forms import Json
from chainnode.types.codes import OK, WAIT_TIMEOUT
from chainnode.types.limits import COMET_COMMIT_MS, COMET_QUERY_LENGTH_MAX

_CONDITION = re.compile(r"tx\.hash\s*=\s*'(?:0[xX])?(?P<hash>[0-9A-Fa-f]{64})'|tx\.height\s*=\s*(?P<height>[0-9]{1,19})")


async def broadcast(backend: Backend, arguments: Arguments) -> Json:
    """Take a transaction; the answer comes once it was checked, whichever of the two ways was asked for."""
    (outcome,) = await backend.submit([arguments.transaction("tx")], wait_ms=None)
    return broadcast_form(outcome)


async def broadcast_and_wait(backend: Backend, arguments: Arguments) -> Json:
    """Take a transaction and wait until it is in a block, COMET_COMMIT_MS at most."""
    (outcome,) = await backend.submit([arguments.transaction("tx")], wait_ms=COMET_COMMIT_MS)
    if outcome.code == WAIT_TIMEOUT:
        raise CometError(INTERNAL, "timed out waiting for tx to be included in a block")
    return {
        "check_tx": check_form(Submitted(outcome.tx_id, OK, "") if outcome.encoded is not None else outcome),
        "tx_result": result_form(outcome.result),
        "hash": "" if outcome.tx_id is None else outcome.tx_id.hex().upper(),
        "height": str(outcome.height or 0),
    }


async def tx(backend: Backend, arguments: Arguments) -> Json:
    """A committed transaction by its id."""
    tx_id = arguments.hash("hash")
    found = await backend.transaction(tx_id)
    if found is None:
        raise CometError(INTERNAL, f"tx ({tx_id.hex().upper()}) not found")
    (form,) = await _forms(backend, [found], has_proof=arguments.flag("prove"))
    return form


async def tx_search(backend: Backend, arguments: Arguments) -> Json:
    """The transactions of a height, or the one with an id, a page at a time."""
    tx_id, height = _conditions(arguments.text("query"))
    order = arguments.text("order_by")
    if order not in ("", "asc", "desc"):
        raise CometError(INTERNAL, "expected order_by to be either `asc` or `desc` or empty")
    found = await _of_height(backend, height) if tx_id is None else await _of_id(backend, tx_id, height)
    if order == "desc":
        found = found[::-1]
    forms = await _forms(backend, found[arguments.page(len(found))], has_proof=arguments.flag("prove"))
    return {"txs": forms, "total_count": str(len(found))}


async def block_results(backend: Backend, arguments: Arguments) -> Json:
    """The results of a block's transactions, and the app_hash after them."""
    height = height_of(backend, arguments.whole("height"), backend.last_height())
    results = await backend.results(height)
    if results is None:
        raise not_available(height, backend.status().first_height)
    now = backend.status()
    above = await backend.light_block(height + 1)
    app_hash = now.app_hash if above is None else above.header.app_hash
    return await asyncio.to_thread(block_results_form, height, results, app_hash)


def _conditions(query: str) -> tuple[bytes | None, int | None]:
    """The id and the height that a query wants, one of them at least."""
    wanted: dict[str | None, str] = {}
    for condition in re.split(r"\s+AND\s+", query.strip()) if len(query) <= COMET_QUERY_LENGTH_MAX else [""]:
        match = _CONDITION.fullmatch(condition)
        if match is None or match.lastgroup in wanted:
            raise CometError(INVALID_PARAMS, "query is tx.hash = '<64 hexadecimal digits>', tx.height = <number>, or both with AND")
        wanted[match.lastgroup] = match[match.lastgroup or 0]
    return bytes.fromhex(wanted["hash"]) if "hash" in wanted else None, int(wanted["height"]) if "height" in wanted else None


async def _of_id(backend: Backend, tx_id: bytes, height: int | None) -> Sequence[Committed]:
    found = await backend.transaction(tx_id)
    return [] if found is None or height not in (None, found.height) else [found]


async def _of_height(backend: Backend, height: int | None) -> Sequence[Committed]:
    """None, as in CometBFT, of a height that is not decided yet."""
    if height is None or not 1 <= height <= backend.last_height():
        return []
    stored, results = await backend.block(height), await backend.results(height)
    if stored is None or results is None:
        raise not_available(height, backend.status().first_height)
    pairs = zip(stored.raws, results, strict=True)
    return await asyncio.to_thread(lambda: [Committed(height, index, *pair) for index, pair in enumerate(pairs)])


async def _forms(backend: Backend, found: Sequence[Committed], *, has_proof: bool) -> list[Json]:
    """All of one height."""
    raws: Sequence[bytes] | None = None
    if found and has_proof:
        stored = await backend.block(found[0].height)
        if stored is None:
            raise not_available(found[0].height, backend.status().first_height)
        raws = stored.raws
    return await asyncio.to_thread(tx_forms, found, raws)
