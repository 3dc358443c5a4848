"""Proofs of two hops for the story: a backbone chain's headers are anchored on demand, and both halves are put into one bundle."""

from collections.abc import Iterable

from chainnode.bundle import fact_of
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.claims import compose
from chainnode.cli.ledgers import Ledger
from chainnode.errors import Malformed
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.tendermintbytes import HeaderMessage, encode_header
from chainnode.types.bundle import AnchorFact, Bundle, LightBlock
from chainnode.types.codes import BAD_BUNDLE
from chainnode.types.transaction import Invocation
from contracts import clientrecords


def anchor(main: Ledger, other: Ledger, blocks: Iterable[LightBlock]) -> int:
    """Have the main chain verify these headers, in one transaction by the other chain's operator; its height.

    Each is judged by the validators of the lowest header that is held: those of a devnet's backbone chain do not change.
    """
    lowest = held(main, other, 1)
    trusted = RevisionHeight(revision_of(other.genesis.chain_id), lowest.height)
    messages = [encode_header(HeaderMessage(block, trusted, block.validators)) for block in blocks]
    calls = [Invocation(clientrecords.NAME, "update", (lowest.client_id, message)) for message in messages]
    return main.apply(calls, other.super_node()).height


def held(main: Ledger, other: Ledger, height: int) -> AnchorFact:
    """The lowest header that the main chain holds of another chain, from `height` on."""
    fact = fact_of(_anchor(main, other, height))
    if not isinstance(fact, AnchorFact):
        raise Malformed(BAD_BUNDLE, f"{main.name} answers with another proof than that of an anchor")
    return fact


def two_hops(main: Ledger, other: Ledger, half: str) -> str:
    """The bundle that says from the main chain's genesis file on what `half`, a bundle of the other chain, says at an anchored header."""
    bundle = bundle_from_json(half)
    return bundle_to_json(compose(_anchor(main, other, bundle.headers[-1].header.height), bundle))


def _anchor(main: Ledger, other: Ledger, height: int) -> Bundle:
    return bundle_from_json(main.bundle(f"/v1/chains/{other.ac}/anchor?height={height}&{main.no_older}"))
