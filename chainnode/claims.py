"""Make the claims of proof bundles, for whoever holds the chain's state, log and blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

from chainnode import evidencelog, merkle
from chainnode.cometbytes import result_bytes
from chainnode.digests import header_hash
from chainnode.errors import Malformed
from chainnode.statetree import StateTree, prove_store
from chainnode.types.block import Header
from chainnode.types.bundle import (
    AnchorClaim,
    AnchoredClaim,
    Bundle,
    EvidenceClaim,
    PathStep,
    ResultClaim,
    StateProof,
    TransactionClaim,
)
from chainnode.types.codes import BAD_BUNDLE
from chainnode.types.proof import ExistenceProof
from chainnode.types.transaction import TxResult


def state_proof(roots: Mapping[str, bytes], store: str, tree: StateTree, key: bytes, value_of: Callable[[bytes], bytes]) -> StateProof:
    """Proof of the value or the absence of `key` in `store`; `roots` and `tree` are of one height."""
    assert roots[store] == tree.root
    is_present = tree.get_hash(key) is not None
    proof = tree.prove(key, value_of) if is_present else tree.prove_absence(key, value_of)
    return StateProof(store, key, proof, prove_store(roots, store))


def evidence_claim(leaf: bytes, index: int, size: int, read_tile: evidencelog.ReadTile, head: StateProof) -> EvidenceClaim:
    """Claim that the log of `size` records, whose head `head` proves, holds `leaf` at `index`."""
    return EvidenceClaim(leaf, index, evidencelog.inclusion(read_tile, index, size), head)


def transaction_claim(raws: Sequence[bytes], index: int, outcome: tuple[Header, Sequence[TxResult]] | None = None) -> TransactionClaim:
    """Claim that a block of the transactions `raws` holds number `index`; with its result when `outcome` is given: header and results."""
    siblings = merkle.inclusion_proof([merkle.leaf_hash(sha256(raw).digest()) for raw in raws], index)
    ranges = merkle.inclusion_ranges(index, len(raws))
    path = tuple(PathStep(begin < index, sibling) for (begin, _), sibling in zip(ranges, siblings, strict=True))
    if outcome is None:
        return TransactionClaim(raws[index], path, None)
    header, results = outcome
    assert len(results) == len(raws)
    result_path = merkle.inclusion_proof([merkle.leaf_hash(result_bytes(result)) for result in results], index)
    return TransactionClaim(raws[index], path, ResultClaim(header, results[index].code, results[index].data, result_path))


def compose(main: Bundle, other: Bundle, links: Sequence[Header] = ()) -> Bundle:
    """One bundle of two hops: what `other` says, in the header whose hash the chain of `main`, a bundle of kind anchor, holds.

    `links` are the headers from that one down to the one above that `other` hangs on; none when it hangs on that one itself.
    Neither is verified here. Malformed(BAD_BUNDLE) when `other` does not hang there, or they are of other kinds.
    """
    held, claim, header = main.claim, other.claim, other.headers[-1].header
    if not isinstance(held, AnchorClaim) or isinstance(claim, AnchorClaim | AnchoredClaim):
        raise Malformed(BAD_BUNDLE, "two hops are made of a bundle of kind anchor and one of kind header, state, evidence or transaction")
    linked = (*links, header)
    if not isinstance(held.anchor.proof, ExistenceProof) or held.anchor.proof.value != header_hash(linked[0]):
        raise Malformed(BAD_BUNDLE, f"{main.chain_id} does not hold the hash of header {linked[0].height} of {other.chain_id} there")
    for above, below in pairwise(linked):
        if above.last_block_id.hash != header_hash(below):
            raise Malformed(BAD_BUNDLE, f"header {above.height} of {other.chain_id} does not name header {below.height} as the one below")
    return replace(main, claim=AnchoredClaim(held.chain, held.client, held.anchor, header, claim, tuple(links)))
