"""A chain of ours with secp256k1 validators and two stores, and its light client on a node of the Ethereum machine."""

from dataclasses import dataclass, field
from functools import cached_property

from chainnode.foreign import evmclient
from chainnode.foreign.abi import AbiValue, Word, encode
from chainnode.foreign.evmclient import KeptState, kept_state
from chainnode.statetree import StateTree, app_hash, prove_store
from chainnode.types.bundle import LightBlock
from chainnode.types.genesis import Genesis
from chainnode.types.proof import CommitmentProof
from tests.chain_maker import GENESIS_TIME_NS, ChainMaker, make_genesis
from tests.evm.machine import START_S, Machine, Reverted, Sent

POWERS = {"a": 40, "b": 30, "c": 20, "d": 10}
CHAIN_ID = "evm-test-7"
REVISION = 7
TRUSTING_S, DRIFT_S = 14 * 86_400, 10
OTHER_STORES = {"evidence": b"\x11" * 32, "params": b"\x22" * 32, "roles": b"\x33" * 32}
PLAIN = {bytes([0]): b"\1"} | {b"key-%d" % number: b"value %d" % number for number in range(40)}


@dataclass
class Chain:
    """Decides blocks whose app hash is the state after the block before. `put` changes the state that the next block brings about."""

    genesis: Genesis = field(default_factory=lambda: make_genesis(POWERS, chain_id=CHAIN_ID, suite="s"))
    contents: dict[bytes, bytes] = field(default_factory=lambda: dict(PLAIN))
    states: dict[bytes, dict[bytes, bytes]] = field(default_factory=dict)  # contents of store `ibc` by app hash
    stores: dict[str, bytes] = field(default_factory=lambda: dict(OTHER_STORES))  # roots of the others

    @cached_property
    def maker(self) -> ChainMaker:
        return ChainMaker(self.genesis, "s")

    def decide(self, count: int = 1, **more) -> LightBlock:
        """The last of `count` further blocks."""
        for _ in range(count):
            hashed = app_hash(self._roots(self.contents))
            self.states[hashed] = dict(self.contents)
            block = self.maker.decide(app_hash=hashed, **more)
        return block

    def prove(self, block: LightBlock, key: bytes) -> tuple[CommitmentProof, ...]:
        """That a key is there, or not there, by the app hash of a block."""
        contents = self.states[block.header.app_hash]
        tree = StateTree.build(sorted(contents.items()))
        proof = (tree.prove if key in contents else tree.prove_absence)(key, contents.__getitem__)
        return proof, prove_store(self._roots(contents), "ibc")

    def _roots(self, contents: dict[bytes, bytes]) -> dict[str, bytes]:
        return self.stores | {"ibc": StateTree.build(sorted(contents.items())).root}


def genesis_kept(chain: Chain) -> KeptState:
    """The trust that the genesis file gives."""
    block = chain.maker.blocks[0].header
    return KeptState(0, bytes(32), block.validators_hash, bytes(32), GENESIS_TIME_NS)


@dataclass
class Followed:
    """A client on a machine. Questions that are refused raise Reverted."""

    machine: Machine
    code: bytes  # that creates the client
    chain: Chain
    address: bytes = b""
    trusting_s: int = TRUSTING_S

    def __post_init__(self) -> None:
        if not self.chain.maker.blocks:
            self.chain.decide()
        begun = genesis_kept(self.chain)
        arguments = (self.chain.genesis.chain_id, REVISION, 0, begun.value(), self.trusting_s, DRIFT_S)
        self.address = self.machine.deploy(self.code, *arguments)
        self.register(self.chain.maker.blocks[0])

    def register(self, *blocks: LightBlock) -> Sent:
        """Make the sets known that signed these blocks."""
        return [self.machine.send(self.address, evmclient.registration(block.validators)) for block in blocks][-1]

    def kept(self, trusted: LightBlock | None) -> KeptState:
        return genesis_kept(self.chain) if trusted is None else kept_state(trusted.header)

    def signed(self, block: LightBlock, trusted: LightBlock | None = None, validators=None) -> AbiValue:
        """A header as it is sent; trusted is by default the genesis file."""
        return evmclient.signed_header(block, self.kept(trusted), validators or self.chain.maker.blocks[0].validators)

    def show(self, signed: AbiValue) -> Sent:
        """Send what `signed` gave, changed or not."""
        return self.machine.send(self.address, evmclient.call(evmclient.UPDATE, encode(signed)))

    def update(self, block: LightBlock, trusted: LightBlock | None = None, validators=None) -> Sent:
        return self.show(self.signed(block, trusted, validators))

    def answer(self, signed: AbiValue) -> int:
        """What an update would answer: 0 updated, 1 misbehaviour, 2 known."""
        return int.from_bytes(self.machine.call(self.address, evmclient.call(evmclient.UPDATE, encode(signed))), "big")

    @property
    def latest(self) -> int:
        return self.machine.number_of(self.address, "latestHeight()")

    @property
    def is_frozen(self) -> bool:
        return self.machine.number_of(self.address, "isFrozen()") == 1

    def holds(self, block: LightBlock, key: bytes, value: bytes | None, proof: bytes, *, path=None, height=None) -> int:
        """What the client says of the time at which the chain had `value` under `key`, None for nothing."""
        where = (REVISION, block.header.height) if height is None else height
        path = [b"ibc", key] if path is None else path
        if value is None:
            asked = evmclient.call("verifyNonMembership((bytes,(uint64,uint64),bytes[]))", (proof, where, path))
        else:
            asked = evmclient.call("verifyMembership((bytes,(uint64,uint64),bytes[],bytes))", (proof, where, path, value))
        return int.from_bytes(self.machine.call(self.address, asked), "big")

    def present(self, block: LightBlock, key: bytes) -> bytes:
        return evmclient.membership_proof(kept_state(block.header), self.chain.prove(block, key))

    def absent(self, block: LightBlock, key: bytes) -> bytes:
        return evmclient.absence_proof(kept_state(block.header), self.chain.prove(block, key))


def refused(name: str, action) -> None:
    """That an action is refused with this error, reason and all."""
    try:
        action()
    except Reverted as error:
        assert str(error) == name, f"refused with {error}, not {name}"
    else:
        raise AssertionError(f"not refused: {name}")


def changed(struct: tuple, **places) -> tuple:
    """A struct with some of its fields, by name of the Solidity, changed."""
    names = {12: HEADER, 9: SIGNED, 7: VOTE}[len(struct)]
    assert not set(places) - set(names)
    return tuple(places.get(name, value) for name, value in zip(names, struct, strict=True))


HEADER = [
    "versionApp",
    "height",
    "timeSeconds",
    "timeNanos",
    "validatorsHash",
    "nextValidatorsHash",
    "appHash",
    "lastBlockAndCommit",
    "data",
    "consensus",
    "results",
    "evidenceAndProposer",
]
SIGNED = ["header", "trustedHeight", "trusted", "round", "partsTotal", "partsHash", "validators", "trustedValidators", "votes"]
VOTE = ["index", "trustedIndex", "v", "timeSeconds", "timeNanos", "r", "s"]
NOW_S = START_S
OTHER_HASH = Word(b"\x99" * 32)
