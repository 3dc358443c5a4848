"""Proof bundles from what is on disk: the claim, and the way of trust from genesis to the header that it hangs on.

Blocking; any thread may call it.
"""

from dataclasses import dataclass

from chainnode import blocks, claims, codec, light, transactions
from chainnode.crypto.keys import validator, validator_set
from chainnode.did.chainrecord import decode_chain
from chainnode.digests import validators_hash
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.execution.engine import TX_INDEX
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, header_hash_key
from chainnode.light import TrustedState, TrustRules
from chainnode.node.chain import Chain
from chainnode.node.ingress import position_of
from chainnode.types.block import Header, ValidatorSet
from chainnode.types.bundle import AnchorClaim, Bundle, Claim, EvidenceClaim, HeaderClaim, LightBlock, StateClaim, StateProof
from chainnode.types.codes import (
    BAD_OPTION,
    CLIENT_FROZEN,
    HEIGHT_UNKNOWN,
    NOT_ANCHORED,
    NOT_ENOUGH_TRUST,
    NOT_FOUND,
    STATE_PRUNED,
    TX_UNKNOWN,
)
from chainnode.types.limits import PATHS_KEPT_MAX
from chainnode.types.proof import ExistenceProof, NonExistenceProof
from chainnode.types.transaction import TxResult
from contracts import chains, clientrecords, evidence


@dataclass(frozen=True, slots=True)
class _Body:
    header: Header
    raws: tuple[bytes, ...]
    results: tuple[TxResult, ...]


class Prover:
    """Makes bundles for one chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._ledger = chain.state.ledger
        self._last_body: _Body | None = None
        self._paths: dict[int, tuple[LightBlock, ...]] = {}  # by height, the one that was made last at the end
        self._rules = TrustRules(chain.genesis.chain_id, None)
        self._first = validator_set(validator(one.public_key, one.power) for one in chain.genesis.validators)

    # Parts

    def light_block(self, height: int) -> LightBlock | None:
        """Header, commit and validators of a height; None when it is unknown."""
        header, commit, validators = self._ledger.header(height), self._ledger.commit(height), self.validators(height)
        if header is None or commit is None or validators is None:
            return None
        return LightBlock(blocks.decode_header(header), blocks.decode_commit(commit), validators)

    def validators(self, height: int) -> ValidatorSet | None:
        """Those who decide a height, up to the one being decided."""
        if not 0 < height <= self._chain.tip.height + 1:
            return None
        data = self._ledger.validators(height)
        return None if data is None else blocks.decode_validator_set(data)

    def results(self, height: int) -> tuple[TxResult, ...] | None:
        """The results of a height's transactions."""
        found = self._ledger.results(height)
        return None if found is None else tuple(transactions.decode_result(result) for result in found)

    def state_proof(self, store: str, key: bytes, height: int) -> StateProof:
        """A key's value or absence after a height."""
        _, (proof, store_proof) = self._chain.state.prove_state(store, key, height)
        assert isinstance(proof, ExistenceProof | NonExistenceProof) and isinstance(store_proof, ExistenceProof)
        return StateProof(store, key, proof, store_proof)

    def provable_height(self, height: int | None) -> int:
        """The height whose state is meant: the last one whose next header is decided, or the one asked for."""
        last = self._chain.tip.height - 1
        if last < 0 or (height is not None and not 0 <= height <= last):
            raise Unavailable(HEIGHT_UNKNOWN, "the header that fixes this state is not decided yet")
        return last if height is None else height

    # Bundles

    def header(self, height: int) -> Bundle:
        """The way of trust to a header. There is none to height 0, which `latest` is before the first block."""
        if height < 1:
            raise Unavailable(HEIGHT_UNKNOWN, f"there is no header of height {height}; the first is that of block 1")
        return self._bundle(HeaderClaim(), height)

    def links(self, height: int, to: int) -> tuple[Header, ...]:
        """The headers from a height down to the one above `to`: each names the next as the block below it."""
        found = [self._ledger.header(one) for one in range(height, to, -1)]
        links = tuple(blocks.decode_header(one) for one in found if one is not None)
        if len(links) != height - to:
            raise Unavailable(HEIGHT_UNKNOWN, f"not all headers from height {height} down to {to + 1} are here")
        return links

    def state(self, store: str, key: bytes, height: int | None) -> Bundle:
        """A key's value or absence."""
        at = self.provable_height(height)
        return self._bundle(StateClaim(self.state_proof(store, key, at)), at + 1)

    def record(self, index: int, height: int | None = None) -> Bundle:
        """An evidence record by its index in the log, as it was after a height."""
        found = self._ledger.log_record(index)
        if found is None:
            raise Rejected(NOT_FOUND, f"the evidence log has no record {index}")
        at = self.provable_height(height)
        head = self.state_proof(evidence.NAME, evidence.HEAD_KEY, at)
        assert isinstance(head.proof, ExistenceProof)
        size, _ = codec.as_array(codec.decode(head.proof.value, bytes_max=64), 2)
        size = codec.as_int(size, 0, 2**63 - 1)
        if index >= size and height is not None:
            raise Rejected(NOT_FOUND, f"after block {height} the evidence log had no record {index}")
        if index >= size:
            raise Unavailable(HEIGHT_UNKNOWN, "the header that fixes this record is not decided yet")
        path = self._chain.state.prove_record(index, size)
        return self._bundle(EvidenceClaim(found[1], index, path, head), at + 1)

    def record_of_digest(self, digest: bytes, height: int | None = None) -> Bundle:
        """The first record of a digest."""
        position = self._chain.state.index_get(evidence.DIGEST_INDEX, digest)
        if position is None:
            raise Rejected(NOT_FOUND, f"no evidence was recorded for {digest.hex()}")
        return self.record(evidence.decode_position(position)[0], height)

    def transaction(self, tx_id: bytes, header: int | None = None) -> Bundle:
        """A transaction with its result. Without its result, when it is to hang on the header of its own block."""
        position = self._chain.state.index_get(TX_INDEX, tx_id)
        if position is None:
            raise Rejected(TX_UNKNOWN, f"no committed transaction has the id {tx_id.hex()}")
        height, index = position_of(position)
        if header not in (None, height, height + 1):
            raise Malformed(
                BAD_OPTION, f"the transaction is in block {height}: header {height} fixes it, and header {height + 1} its result"
            )
        if header != height and height >= self._chain.tip.height:
            raise Unavailable(HEIGHT_UNKNOWN, "the header that fixes this result is not decided yet")
        body = self._body(height)
        if header == height:
            return self._bundle(claims.transaction_claim(body.raws, index), height)
        return self._bundle(claims.transaction_claim(body.raws, index, (body.header, body.results)), height + 1)

    def anchor(self, ac: str, height: int | None) -> Bundle:
        """The hash that this chain holds of a header of the chain with an AC number: the newest, or that of a height or the next above."""
        at = self.provable_height(None)
        chain = self._value(chains.NAME, chains.chain_key(ac), at)
        if chain is None:
            raise Rejected(NOT_FOUND, f"no chain is on record as {ac}")
        client_id = decode_chain(chain).client_id
        key = clientrecords.record_key(client_id)
        value = None if key is None else self._value(clientrecords.NAME, key, at)
        if value is None:
            raise Unavailable(NOT_ANCHORED, f"no client follows the chain {ac}")
        client = clientrecords.decode_record(value)
        if client.is_frozen:
            raise Rejected(CLIENT_FROZEN, f"the client {client_id} of the chain {ac} is frozen: {client.reason}")
        wanted = client.latest if height is None else self._held_from(client, height, at)
        keys = (client_state_key(client_id), header_hash_key(client_id, wanted))
        if self._value(clientrecords.IBC, keys[1], at) is None:
            raise Unavailable(NOT_ANCHORED, f"no header of the chain {ac} is held yet")
        proofs = [self.state_proof(clientrecords.IBC, key, at) for key in keys]
        return self._bundle(AnchorClaim(self.state_proof(chains.NAME, chains.chain_key(ac), at), *proofs), at + 1)

    def _held_from(self, client: clientrecords.ClientRecord, height: int, at: int) -> RevisionHeight:
        """The lowest height from `height` on of which the client holds a state."""
        prefix, after = clientrecords.heights_from(client.client_id, RevisionHeight(client.latest.revision, max(height, 1)))
        found = self._chain.state.keys_at(clientrecords.NAME, prefix, after, 1, at)
        if not found:
            raise Unavailable(NOT_ANCHORED, f"the newest header of {client.chain_id} that is held is {client.latest.height}")
        return clientrecords.height_of(found[0])

    def _value(self, store: str, key: bytes, at: int) -> bytes | None:
        return self._chain.state.value_at(store, key, at)

    def _body(self, height: int) -> _Body:
        """What proofs of a block's transactions need; the last one stays, since who asks for one often asks for its neighbours."""
        body = self._last_body
        if body is None or body.header.height != height:
            raws = tuple([raw for batch in self._ledger.batches(height) for raw in transactions.split_batch(batch)])
            results, header = self.results(height), self._ledger.header(height)
            if results is None or header is None or len(raws) != len(results):
                raise Unavailable(STATE_PRUNED, f"the body of block {height} was pruned here; ask a node that keeps it")
            body = self._last_body = _Body(blocks.decode_header(header), raws, results)
        return body

    def _bundle(self, claim: Claim, height: int) -> Bundle:
        """The claim with the path to `height`."""
        path = self._paths.get(height)
        if path is None:
            path = self._paths[height] = tuple(self._path(height))  # 200 us and more, and most who ask mean the same height
            for oldest in list(self._paths)[:-PATHS_KEPT_MAX]:
                self._paths.pop(oldest, None)
        return Bundle(self._chain.genesis.chain_id, self._chain.genesis_hash, path, claim)

    def _path(self, height: int) -> list[LightBlock]:
        """As few headers as lead from genesis to `height`, each believed after the one before."""
        path: list[LightBlock] = []
        state, validators = light.genesis_state(self._chain.genesis.time_ns, self._first), self._first
        while state.height < height:
            block, state = self._step(state, validators, height)
            validators = block.validators
            path.append(block)
        return path

    def _step(self, state: TrustedState, validators: ValidatorSet, goal: int) -> tuple[LightBlock, TrustedState]:
        """The furthest header that can be believed from here; the neighbour always can."""
        next_to = state.height + 1
        is_stable = validators_hash(validators) == state.next_validators_hash
        height = goal if is_stable else next_to
        while height > next_to:
            block = self._light_block(height)
            try:
                return block, light.verify_skipping(state, validators, block, self._rules, block.header.time_ns)
            except Rejected as error:
                if error.code is not NOT_ENOUGH_TRUST:
                    raise
            height = (state.height + height) // 2
        block = self._light_block(next_to)
        return block, light.verify_adjacent(state, block, self._rules, block.header.time_ns)

    def _light_block(self, height: int) -> LightBlock:
        block = self.light_block(height)
        if block is None:
            raise Unavailable(HEIGHT_UNKNOWN, f"the header of height {height} is not here")
        return block
