"""Follow a channel of Hyperledger Fabric from a config block that is trusted, and say what its transactions prove. Read-only; pure.

What is verified: the chain of header hashes, the data hash, the orderers' signatures by the channel's policy, and for each transaction
its creator's signature and the endorsements by the policy of each chaincode that it writes to. What Fabric does not let anybody prove
from blocks: that peers applied the transaction. Their verdict stands in the metadata, which nobody signs, so it is not read.
Trust: `attested` for Raft, where one orderer's word makes a block; `header-quorum` for BFT. A new configuration counts on that trust.
Source: Fabric, protoutil/blockutils.go, core/common/validation/msgvalidation.go, common/policies/bft.go.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from chainnode import codec
from chainnode.errors import Malformed
from chainnode.foreign import protobuf
from chainnode.foreign.fabricbytes import (
    CONFIG,
    ENDORSER_TRANSACTION,
    Block,
    ReadWriteSet,
    Signed,
    read_action,
    read_envelope,
    read_results,
)
from chainnode.foreign.fabricconfig import BFT, ChannelConfig, read_config
from chainnode.foreign.fabricmsp import Identity, Members, serialized_identity
from chainnode.foreign.fabricpolicy import Rule, channel_policy, holds, signature_policy
from chainnode.types.codes import (
    BAD_FABRIC_BLOCK,
    BAD_FABRIC_CONFIG,
    BAD_FABRIC_IDENTITY,
    FABRIC_CHAIN_BROKEN,
    FABRIC_NOT_ENDORSED,
    FABRIC_NOT_SIGNED,
    FABRIC_POLICY_UNKNOWN,
    FABRIC_REPEATED,
    Code,
)
from chainnode.types.limits import FABRIC_BLOCK_BYTES_MAX, FABRIC_BLOCKS_MAX, FABRIC_TEXT_BYTES_MAX

ATTESTED, HEADER_QUORUM = "attested", "header-quorum"
_BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"
_LIFECYCLE = "_lifecycle"
_SYSTEM_PATHS = {_LIFECYCLE: "/Channel/Application/LifecycleEndorsement"}
_VALIDATION_INFO = "/ValidationInfo"
_DEFINED_PREFIX = "namespaces/fields/"
Check = Callable[[Sequence[Identity]], bool]


@dataclass(frozen=True, slots=True)
class FabricTrust:
    """Where a channel has been followed to: its configuration, and the last block's number and hash.

    `config_number` is the block that had the configuration; `defined` are endorsement policies that the channel itself decided on, as
    the chaincode's lifecycle wrote them.
    """

    config: ChannelConfig
    config_number: int
    number: int
    hash: bytes
    defined: Mapping[str, bytes]

    @property
    def trust_class(self) -> str:
        """How much a block's signatures say."""
        return HEADER_QUORUM if self.config.consensus == BFT else ATTESTED


@dataclass(frozen=True, slots=True)
class FabricFact:
    """A transaction that was ordered and endorsed. Whether peers applied it, Fabric lets nobody prove."""

    channel: str
    block_number: int
    block_hash: bytes
    index: int
    tx_id: str
    chaincode: str
    creator: str
    endorsers: tuple[str, ...]  # organisations, ascending
    results: ReadWriteSet
    results_hash: bytes
    trust: str

    @property
    def digest(self) -> bytes:
        """What to put on record of it. SHA-256 over the canonical array of what names it and of the hash of its results."""
        place = (self.channel, self.block_number, self.block_hash, self.index, self.tx_id)
        return sha256(codec.encode(("fabric", *place, self.chaincode, self.endorsers, self.results_hash))).digest()


@dataclass(frozen=True, slots=True)
class FabricRefusal:
    """A transaction of a good block that proves nothing, and why."""

    block_number: int
    index: int
    tx_id: str
    code: Code
    detail: str


@dataclass(frozen=True, slots=True)
class FabricOutcome:
    """What blocks prove, and where the channel stands after them."""

    trust: FabricTrust
    facts: tuple[FabricFact, ...]
    refusals: tuple[FabricRefusal, ...]


def begin(block: Block) -> FabricTrust:
    """Trust in a config block, the first of a channel or a later one, which somebody has compared by its hash. Malformed otherwise."""
    _check_data(block)
    if len(block.envelopes) != 1:
        raise Malformed(BAD_FABRIC_CONFIG, "a config block has one envelope")
    config = read_config(read_envelope(block.envelopes[0]))
    Members(config)
    return FabricTrust(config, block.number, block.number, block.hash, {})


def verify_blocks(
    blocks: Sequence[Block], trust: FabricTrust, policies: Mapping[str, Rule] | None = None, seen: Sequence[str] = ()
) -> FabricOutcome:
    """What the next blocks of a channel prove. Malformed when a block is not one of this channel's, the next in order, and signed.

    `policies` say who must endorse a chaincode, before what the channel says; `seen` are ids of earlier transactions that count no more.
    """
    if len(blocks) > FABRIC_BLOCKS_MAX:
        raise Malformed(BAD_FABRIC_BLOCK, f"at most {FABRIC_BLOCKS_MAX} blocks are verified at once")
    facts: list[FabricFact] = []
    refusals: list[FabricRefusal] = []
    ids = dict.fromkeys(seen)
    members = Members(trust.config)
    for block in blocks:
        _check_follows(block, trust)
        _check_signed(block, trust, members)
        trust = replace(trust, number=block.number, hash=block.hash)
        configuration = _configuration(block)
        if configuration is not None:
            trust = _reconfigured(trust, configuration, block)
            members = Members(trust.config)
            continue
        for index, raw in enumerate(block.envelopes):
            judged = _judged(block, index, raw, trust, members, policies or {}, ids)
            if isinstance(judged, FabricFact):
                facts.append(judged)
                trust = _with_definitions(trust, judged)
            else:
                refusals.append(judged)
    return FabricOutcome(trust, tuple(facts), tuple(refusals))


def _configuration(block: Block) -> Signed | None:
    """The configuration that a block holds, which then holds nothing else."""
    if len(block.envelopes) != 1:
        return None
    try:
        found = read_envelope(block.envelopes[0])
    except Malformed:
        return None  # if it was a configuration to others, the next block names it, and is refused
    return found if found.kind == CONFIG else None


def _check_data(block: Block) -> None:
    if sha256(b"".join(block.envelopes)).digest() != block.data_hash:
        raise Malformed(FABRIC_CHAIN_BROKEN, f"block {block.number} does not hold the data that its header names")


def _check_follows(block: Block, trust: FabricTrust) -> None:
    """The block is the next one, and holds what its header says."""
    if block.number != trust.number + 1 or block.previous_hash != trust.hash:
        raise Malformed(FABRIC_CHAIN_BROKEN, f"block {block.number} does not follow block {trust.number} with hash {trust.hash.hex()}")
    _check_data(block)


def _check_signed(block: Block, trust: FabricTrust, members: Members) -> None:
    """The channel's orderers have signed the header, by the policy of the configuration in force."""
    consenters = {one.number: one for one in trust.config.consenters}
    signed: list[tuple[bytes, bytes, bytes]] = []
    for one in block.signatures:
        signer = one.signer
        if signer is None and one.consenter in consenters:
            known = consenters[one.consenter]
            signer = serialized_identity(known.msp_id, known.certificate)
        if signer is not None:
            signed.append((signer, block.signed_value + one.header + block.header_bytes, one.signature))
    signers = members.signers(signed)
    if not channel_policy(trust.config, members, _BLOCK_VALIDATION)(signers):
        raise Malformed(
            FABRIC_NOT_SIGNED, f"{len(signers)} orderers have signed block {block.number}, which its channel's policy does not accept"
        )
    if trust.config.consensus == BFT:
        listed = [serialized_identity(one.msp_id, one.certificate) for one in trust.config.consenters]
        ders = [known.der for known in (_identity_or_none(members, one) for one in listed) if known is not None]
        count = sum(one.der in ders for one in signers)
        if count < _quorum(len(listed)):
            raise Malformed(FABRIC_NOT_SIGNED, f"{count} of {len(listed)} consenters have signed block {block.number}")
    in_force = trust.config_number if _configuration(block) is None else block.number
    if block.last_config is not None and block.last_config != in_force:
        raise Malformed(FABRIC_CHAIN_BROKEN, f"block {block.number} names block {block.last_config} as that of the configuration")


def _quorum(consenters: int) -> int:
    """How many of the consenters of a BFT channel share an honest one with any other so many."""
    return (consenters + (consenters - 1) // 3 + 2) // 2


def _identity_or_none(members: Members, serialized: bytes) -> Identity | None:
    try:
        return members.identity(serialized)
    except Malformed:
        return None


def _reconfigured(trust: FabricTrust, signed: Signed, block: Block) -> FabricTrust:
    """The channel under the configuration of a block that the orderers of the one before have signed."""
    config = read_config(signed)
    if config.channel != trust.config.channel or config.sequence != trust.config.sequence + 1:
        raise Malformed(
            BAD_FABRIC_CONFIG, f"the configuration in block {block.number} does not follow the one of block {trust.config_number}"
        )
    return replace(trust, config=config, config_number=block.number)


def _judged(
    block: Block,
    index: int,
    raw: bytes,
    trust: FabricTrust,
    members: Members,
    policies: Mapping[str, Rule],
    ids: dict[str, None],
) -> FabricFact | FabricRefusal:
    """One transaction: what it proves, or why it proves nothing."""
    tx_id = ""
    try:
        signed = read_envelope(raw)
        tx_id = signed.tx_id
        creator = _checked_creator(signed, trust, members)
        if tx_id in ids:
            raise Malformed(FABRIC_REPEATED, f"transaction {tx_id} stands in an earlier place")
        ids[tx_id] = None
        action = read_action(signed)
        results = read_results(action.results)
        endorsers = members.signers((one.endorser, action.response + one.endorser, one.signature) for one in action.endorsements)
        _check_endorsed(action.chaincode, results, endorsers, trust, members, policies)
    except Malformed as error:
        return FabricRefusal(block.number, index, tx_id, error.code, error.detail)
    return FabricFact(
        channel=signed.channel,
        block_number=block.number,
        block_hash=block.hash,
        index=index,
        tx_id=tx_id,
        chaincode=action.chaincode,
        creator=creator.msp_id,
        endorsers=tuple(sorted({one.msp_id for one in endorsers})),
        results=results,
        results_hash=sha256(action.results).digest(),
        trust=trust.trust_class,
    )


def _checked_creator(signed: Signed, trust: FabricTrust, members: Members) -> Identity:
    """Who made an endorser transaction of this channel, and has signed it."""
    if signed.kind != ENDORSER_TRANSACTION or signed.channel != trust.config.channel:
        raise Malformed(BAD_FABRIC_BLOCK, "the envelope is no endorser transaction of this channel")
    if signed.tx_id != sha256(signed.nonce + signed.creator).hexdigest() or not signed.nonce:
        raise Malformed(BAD_FABRIC_BLOCK, "the id of the transaction is not made of its nonce and its creator")
    creator = members.identity(signed.creator)
    if not creator.has_signed(signed.payload, signed.signature):
        raise Malformed(BAD_FABRIC_IDENTITY, f"the creator, of {creator.msp_id!r}, has not signed the transaction")
    return creator


def _check_endorsed(
    chaincode: str,
    results: ReadWriteSet,
    endorsers: Sequence[Identity],
    trust: FabricTrust,
    members: Members,
    policies: Mapping[str, Rule],
) -> None:
    """The endorsers satisfy the policy of the chaincode, and of each other one in whose name something was written."""
    for name in dict.fromkeys((chaincode, *results.written)):
        if name in _SYSTEM_PATHS and name != chaincode:
            raise Malformed(BAD_FABRIC_BLOCK, f"chaincode {chaincode!r} writes in the name of {name!r}")
        if not _policy_of(name, trust, members, policies)(endorsers):
            said = ", ".join(sorted({one.msp_id for one in endorsers})) or "nobody"
            raise Malformed(FABRIC_NOT_ENDORSED, f"{said} endorsed, which the policy of {name!r} does not accept")


def _policy_of(name: str, trust: FabricTrust, members: Members, policies: Mapping[str, Rule]) -> Check:
    """Who must endorse a chaincode: as the caller says, else as the channel does."""
    if name in policies:
        rule = policies[name]
        return lambda signers: holds(rule, signers)
    if name in _SYSTEM_PATHS:
        return channel_policy(trust.config, members, _SYSTEM_PATHS[name])
    if name not in trust.defined:
        raise Malformed(FABRIC_POLICY_UNKNOWN, f"nobody has said who must endorse {name!r}")
    fields = protobuf.read(trust.defined[name], (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
    envelope = fields.optional(1)
    if envelope is None:
        return channel_policy(trust.config, members, fields.text(2, FABRIC_TEXT_BYTES_MAX))
    rule = signature_policy(envelope, members)
    return lambda signers: holds(rule, signers)


def _with_definitions(trust: FabricTrust, fact: FabricFact) -> FabricTrust:
    """With the endorsement policies that a transaction of the lifecycle has written."""
    if fact.chaincode != _LIFECYCLE:
        return trust
    defined = dict(trust.defined)
    for one in fact.results.writes:
        is_info = one.key.startswith(_DEFINED_PREFIX) and one.key.endswith(_VALIDATION_INFO)
        if one.namespace == _LIFECYCLE and is_info and one.value is not None:
            state = protobuf.read(one.value, (2,), bytes_max=FABRIC_BLOCK_BYTES_MAX).data(2, FABRIC_BLOCK_BYTES_MAX)
            info = protobuf.read(state, (1, 2), bytes_max=FABRIC_BLOCK_BYTES_MAX)
            defined[one.key[len(_DEFINED_PREFIX) : -len(_VALIDATION_INFO)]] = info.data(2, FABRIC_BLOCK_BYTES_MAX)
    return replace(trust, defined=defined)
