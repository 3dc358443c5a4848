"""Proofs through trees within trees, as IBC carries them: MerkleProof of ibc.core.commitment.v1.

A MerkleProof has one ICS-23 proof per tree, the lowest first. For a chain of ours there are two: from the key to the root of store
`ibc`, and from there to the app_hash. Source: ibc-go modules/core/23-commitment/types/merkle.go.
"""

from collections.abc import Sequence

from chainnode.errors import Malformed
from chainnode.foreign.protobuf import message, read
from chainnode.ics23 import IAVL_SPEC, TENDERMINT_SPEC, check_chained, check_existence_shape
from chainnode.proofbytes import decode_proof, encode_proof
from chainnode.types.codes import BAD_PROOF
from chainnode.types.limits import MERKLE_PROOF_LEVELS_MAX, PROOF_BYTES_MAX
from chainnode.types.proof import CommitmentProof, ExistenceProof, ProofSpec

OUR_SPECS = (IAVL_SPEC, TENDERMINT_SPEC)  # of the chains of this program, and of those of the Cosmos SDK


def encode_merkle_proof(proofs: Sequence[CommitmentProof]) -> bytes:
    """MerkleProof{1: repeated CommitmentProof}, the lowest tree first."""
    return b"".join(message(1, encode_proof(one)) for one in proofs)


def decode_merkle_proof(raw: bytes) -> tuple[CommitmentProof, ...]:
    """The proofs in canonical bytes. Malformed(BAD_PROOF), (MALFORMED)."""
    fields = read(raw, (), (1,), bytes_max=PROOF_BYTES_MAX, items_max=MERKLE_PROOF_LEVELS_MAX)
    return tuple(decode_proof(one) for one in fields.many(1, MERKLE_PROOF_LEVELS_MAX))


def check_merkle_proof(specs: Sequence[ProofSpec], root: bytes, path: Sequence[bytes], value: bytes | None, raw: bytes) -> None:
    """Malformed(BAD_PROOF) unless the proof leads from `value` at `path` (from the root down) to `root`; None: nothing is there."""
    proofs = decode_merkle_proof(raw)
    if not root or value == b"":
        raise Malformed(BAD_PROOF, "nothing is proved under an empty root, nor of an empty value")
    if not len(specs) == len(proofs) == len(path):
        raise Malformed(BAD_PROOF, f"{len(proofs)} proofs for a path of {len(path)} keys through {len(specs)} trees")
    # Before anything is hashed, by which hash a proof names: not every machine has all.
    for spec, proof in zip(specs, proofs, strict=True):
        for half in (proof,) if isinstance(proof, ExistenceProof) else (proof.left, proof.right):
            if half is not None:
                check_existence_shape(spec, half)
    if proofs[0].key != path[-1]:  # of absence ICS-23 leaves the proof's own key unread
        raise Malformed(BAD_PROOF, "the proof is about another key")
    check_chained(specs, proofs, path, root, value)


def path_of(prefix: tuple[bytes, ...], key: bytes) -> tuple[bytes, ...]:
    """The way from the root to an ICS-24 key: the key is appended to the last element of the prefix, as IBC v2 does."""
    assert prefix
    return (*prefix[:-1], prefix[-1] + key)
