"""All contracts as one table: what the engine calls the law."""

from collections.abc import Sequence

from chainnode import bid, codec
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected
from chainnode.execution.engine import BlockContext, Lane
from chainnode.execution.state import State
from chainnode.execution.table import Call, Method, methods_of
from chainnode.sheets import Sheet
from chainnode.types.block import ValidatorSet
from chainnode.types.codes import BAD_GENESIS, UNKNOWN_CONTRACT, UNKNOWN_METHOD
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.limits import WORK_TX_MAX
from chainnode.types.transaction import Invocation, TransactionBody, Value
from contracts import (
    chainapplications,
    chainchanges,
    chainreports,
    chains,
    clientrecords,
    clients,
    credentials,
    deliveries,
    devices,
    evidence,
    evidencelane,
    goods,
    governance,
    holds,
    identity,
    identityrecords,
    packetevidence,
    packets,
    pledges,
    receipts,
    roles,
    supervision,
    supervisionrecords,
    validators,
    work,
)
from contracts.receiptrecords import STORE as RECEIPTS

IBC = "ibc"  # what other chains are proved: clients and packets
_FIRST_KEY = b"\x00"

METHODS: dict[str, dict[str, Method]] = {
    governance.NAME: methods_of(governance),
    roles.NAME: methods_of(roles),
    supervisionrecords.NAME: methods_of(supervision),
    validators.NAME: methods_of(validators),
    identityrecords.NAME: methods_of(identity, devices),
    evidence.NAME: methods_of(evidence),
    credentials.NAME: methods_of(credentials),
    chains.NAME: methods_of(chainapplications, chainchanges, chainreports),
    clientrecords.NAME: methods_of(clients),
    goods.NAME: methods_of(goods),
    packets.NAME: methods_of(packets),
    RECEIPTS: methods_of(receipts, pledges, deliveries, holds),
}


class SystemContracts:
    """The contracts of this release. It has no state of its own."""

    def call(self, call: Call, state: State, invocation: Invocation) -> Value:
        """Run one method. Rejected(UNKNOWN_CONTRACT, UNKNOWN_METHOD, BAD_ARGUMENTS) or as the method says."""
        methods = METHODS.get(invocation.contract)
        if methods is None:
            raise Rejected(UNKNOWN_CONTRACT, f"there is no contract {invocation.contract}")
        method = methods.get(invocation.method)
        if method is None:
            raise Rejected(UNKNOWN_METHOD, f"the contract {invocation.contract} has no method {invocation.method}")
        # INV-72: of a signer who is frozen, an appeal alone is heard.
        supervision.check_signers(call, state, invocation.contract, invocation.method)
        return method.run(call, state, invocation.arguments)

    def work(self, body: TransactionBody) -> int:
        """By the table in `work`."""
        return work.of_calls(body.calls)

    def work_of(self, sheet: Sheet) -> int:
        """That of its transactions, by the same table."""
        return 0 if evidencelane.is_evidence(sheet) else sum([work.of_calls(tx.body.calls) for tx in sheet.txs])

    def is_too_costly(self, sheet: Sheet) -> bool:
        """By the same table. What is short can not be, whatever it says."""
        if sheet.longest <= work.UNASKED_BYTES or evidencelane.is_evidence(sheet):
            return False
        return any(work.of_calls(tx.body.calls) > WORK_TX_MAX for tx in sheet.txs)

    def lanes(self, state: State, context: BlockContext, sheets: Sequence[Sheet]) -> Sequence[Lane]:
        """Evidence is what is done at once."""
        return evidencelane.lanes(state, context, sheets)

    def may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        """Whether this key speaks for the DID now. Asked for every signature, and answered once a block for each key."""
        known = state.memo("speakers", identityrecords.NAME, chains.NAME)
        answer: bool | None = known.get((did, suite, public_key))
        if answer is None:
            answer = known[did, suite, public_key] = self._may_sign(state, did, suite, public_key)
        return answer

    def _may_sign(self, state: State, did: str, suite: str, public_key: bytes) -> bool:
        return identityrecords.may_sign(state, did, suite, public_key) and not chains.is_elsewhere(state, did)

    def may_submit(self, state: State, did: str, time_ms: int) -> bool:
        """Members with a role, whichever, and the nodes, which report equivocation. Nothing that others send could succeed (INV-32)."""
        if roles.has_any_role(state, did, roles.ROLES, time_ms):
            return True
        # Strangers may ask as often as they like, and 400 nodes take 1 ms to read.
        known = state.memo("nodes", validators.NAME, roles.NAME)
        ever: dict[str, bytes] | None = known.get("ever")
        if ever is None:
            ever = known["ever"] = node_ids(state)
        return did in ever and did in node_ids(state, time_ms)

    def validators(self, state: State) -> ValidatorSet:
        """The validators that the state names."""
        return validators.validator_set(state)

    def params(self, state: State) -> ChainParams:
        """The chain's parameters."""
        return governance.params(state)

    def genesis(self, state: State, genesis: Genesis) -> None:
        """Write the first state; every provable store begins with a key, since absence cannot be proved in an empty tree."""
        if not any(grant.role == roles.SUPER and grant.expires_ms == 0 for grant in genesis.grants):
            raise Malformed(BAD_GENESIS, "at least one super node without expiry must be granted")
        governance.genesis(state, genesis.params)
        first = tuple((grant.did, roles.Grant(grant.role, grant.expires_ms, b"", "genesis", 0)) for grant in genesis.grants)
        roles.genesis(state, first)
        registered = tuple(
            validators.Registered(one.operator, one.name, one.public_key, one.power, one.node_key, one.peer_address)
            for one in genesis.validators
        )
        validators.genesis(state, registered)
        identity.genesis(state)
        supervision.genesis(state)
        evidence.genesis(state)
        packets.genesis(state)
        credentials.genesis(state)
        chains.genesis(state, genesis_hash(genesis))
        clients.genesis(state)
        for name in (goods.NAME, RECEIPTS, IBC):
            state.store(name).put(_FIRST_KEY, codec.encode(1))

    def end_block(self, state: State) -> None:
        """What is due once, after a block's transactions."""
        evidence.end_block(state)
        packetevidence.end_block(state)


def node_ids(state: State, time_ms: int = 0) -> dict[str, bytes]:
    """Node ids and keys of all nodes that may connect at this block time."""
    return {bid.did_of("e", node.node_key): node.node_key for node in validators.nodes(state, time_ms)}
