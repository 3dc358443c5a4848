"""How tests put a chain on record: its operator applies, the council admits."""

from typing import Any

from chainnode.did.chainform import new_form
from chainnode.did.chainrecord import ChainRecord
from chainnode.types.genesis import Genesis
from contracts import chains
from contracts.chainapplications import arguments_of
from tests.chain_maker import make_genesis
from tests.contracts.council import Council, did

CITY = make_genesis({"west": 3, "east": 5}, chain_id="city-1")
PORT = make_genesis({"quay": 1}, chain_id="port-1", suite="s")
URLS = ("https://resolver.city.example", "http://10.1.2.3:8080/did")
PERMIT = {"permitNumber": "B2-2026", "filingNumber": "F-7", "authority": "Office of Chains", "validUntil": "2029-12-31"}


def form_of(ac: str = "byo1", **changes: Any) -> dict[str, Any]:
    """The form of bob's chain."""
    return new_form(**{"name": "City", "operator": did("bob"), "ac": ac, "endpoints": URLS, "permit": PERMIT} | changes)


def arguments(
    ac: str = "byo1", genesis: Genesis = CITY, *, ttl_s: int = 60, evidence: tuple[bytes, ...] = (), **changes: Any
) -> tuple[Any, ...]:
    """Of `apply`, as a genesis file has them."""
    return arguments_of(genesis, form_of(ac, **changes), ttl_s=ttl_s, evidence=evidence)


def applied(world: Council, ac: str = "byo1", genesis: Genesis = CITY, *, by: str = "bob", **changes: Any) -> int:
    """The number of an application."""
    number = world.do([by], "chains.apply", *arguments(ac, genesis, **{"operator": did(by)} | changes))
    assert isinstance(number, int)
    return number


def admitted(
    world: Council, ac: str = "byo1", genesis: Genesis = CITY, *, by: str = "bob", expires_ms: int = 0, **changes: Any
) -> ChainRecord:
    """A chain that is on record, by the book."""
    world.decide("admit_chain", applied(world, ac, genesis, by=by, **changes), ac, expires_ms)
    return chain_of(world, ac)


def chain_of(world: Council, ac: str = "byo1") -> ChainRecord:
    """A chain that is on record."""
    found = chains.chain(world.state, ac)
    assert found is not None
    return found


def status_of(ac: str, **changes: Any) -> dict[str, Any]:
    """A report of feed `status`."""
    names = (
        *("blockHeight", "validationNodeCount", "totalNodeCount", "systemContractCount", "normalContractCount"),
        *("serviceNodeCount", "txNumber", "accountCount", "tps"),
    )
    return {"chainCode": ac, **dict.fromkeys(names, 7), **changes}


def blocks_of(ac: str, *blocks: tuple[int, str], **changes: Any) -> dict[str, Any]:
    """A report of feed `blocks`."""
    row = {"nodeAddress": "did:bid:byo1:ef2", "nodeName": "one", "txNum": 3, "time": 1_800_000_000_000, "size": 900}
    return {"chainCode": ac, "blockList": tuple({**row, "height": height, "blockHash": each, **changes} for height, each in blocks)}
