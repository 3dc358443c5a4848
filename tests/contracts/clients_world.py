"""A ledger of super node ada that follows a chain elsewhere, header by header."""

from dataclasses import replace

from chainnode.digests import header_hash
from chainnode.errors import Rejected
from chainnode.execution.table import Call
from chainnode.foreign import tendermint
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key, header_hash_key
from chainnode.foreign.tendermintbytes import ClientState, decode_client_state, encode_client_state
from contracts import clients
from contracts.clientrecords import ClientRecord
from tests.contracts.council import Council, did
from tests.contracts.receipt_world import Refused
from tests.foreign.client_world import OtherChain

PREFIX = (b"ibc", b"")
THERE = "07-tendermint-9"  # the other chain's client of this one


class Follower(Council):
    """The ledger with one client, made by governance at a header of the chain, whose creator is bob; mia is a member."""

    def __init__(self, chain: OtherChain, *, height: int = 1, relayers: tuple[str, ...] = (), **changes: object) -> None:
        super().__init__(("ada",))
        self.chain = chain
        self.wait_until(chain.now_ms)
        client = tendermint.client_state_of(chain.beginning, chain.at(height))
        self.client_id = self.create(encode_changed(client, **changes), chain.consensus_state(height), relayers=relayers)

    def create(self, client_state: bytes, consensus_state: bytes, *, kind: str = tendermint.NAME, relayers: tuple[str, ...] = ()) -> str:
        """A client by governance."""
        self.decide("create_client", kind, client_state, consensus_state, did("bob"), tuple(map(did, relayers)))
        created = next(event for event in self.events if event.name == "create_client")
        client_id = created.attributes["client_id"]
        assert isinstance(client_id, str)
        return client_id

    def update(self, height: int, trusted: int, *, who: str = "mia") -> object:
        """Tell the client of a height."""
        return self.do([who], "clients.update", self.client_id, self.chain.message(height, trusted))

    def cannot_update(self, code: str, message: bytes, *, who: str = "mia", client_id: str | None = None) -> str:
        """The detail of a refusal, which changes nothing."""
        return self.refused(code, who, "clients.update", self.client_id if client_id is None else client_id, message)

    @property
    def record(self) -> ClientRecord:
        """Of the client."""
        found = clients.client(self.state, self.client_id)
        assert found is not None
        return found

    @property
    def client_state(self) -> ClientState:
        """As it is stored for IBC."""
        value = self.value("ibc", client_state_key(self.client_id))
        assert value is not None
        return decode_client_state(value)

    @property
    def condition(self) -> str:
        """What the client is at the next block's time."""
        return clients.status(self.state, self.record, self.next_ms)

    def heights(self) -> list[int]:
        """Heights of which there is a state, a time and, the first aside, a header hash; that they belong together is checked."""
        found = []
        for height in range(len(self.chain.maker.blocks) + 1):
            at = self.chain.at(height)
            state = self.value("ibc", consensus_state_key(self.client_id, at))
            hashed = self.value("ibc", header_hash_key(self.client_id, at))
            if state is None:
                assert hashed is None
                continue
            found.append(height)
            if height and state == self.chain.consensus_state(height):
                assert hashed in (None, header_hash(self.chain.block(height).header))
        assert self.record.states == len(found)
        return found

    def here(self, *, after_ms: int = 0) -> Call:
        """The circumstances of a call by mia in the next block."""
        return Call(did("mia"), (did("mia"),), b"\x07" * 32, "trade-1", self.height + 1, self.next_ms + after_ms, 0)

    def verify(self, height: RevisionHeight, key: bytes, value: bytes | None, proof: bytes, *, after_ms: int = 0) -> object:
        """What another contract asks; None: nothing was wrong. Refused."""
        before = self.everything()
        try:
            if value is not None:
                clients.verify_member(self.here(after_ms=after_ms), self.state, self.client_id, height, key, value, proof)
                return None
            return clients.verify_absence(self.here(after_ms=after_ms), self.state, self.client_id, height, key, proof)
        except Rejected as refusal:
            raise Refused(refusal.code.name, refusal.detail) from refusal
        finally:
            assert self.everything() == before

    def register(self) -> None:
        """Name the counterparty."""
        self.do(["bob"], "clients.register_counterparty", self.client_id, THERE, PREFIX)


def encode_changed(client: ClientState, **changes: object) -> bytes:
    """A client state with other fields."""
    return encode_client_state(replace(client, **changes))
