"""Makes two real chains follow each other for tests: clients by governance, counterparties, packets of evidence."""

import time
from dataclasses import replace
from pathlib import Path

from chainnode.bundle import beginning_of
from chainnode.cli.network import Network
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.foreign import anchored, tendermint
from chainnode.foreign.anchored import AnchoredState
from chainnode.foreign.evidencepackets import ENCODING, PORT, VERSION, CarriedRecords, carried, encode_records
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from chainnode.node.homes import PASSPHRASE_FILE, load_genesis, load_key, read_passphrase_file
from chainnode.types.bundle import EvidenceClaim
from chainnode.types.genesis import Genesis
from chainnode.types.transaction import Invocation

PREFIX = (b"ibc", b"")
DIRECT, ANCHORED = "07-tendermint", "20-anchored"


class Chain:
    """A running network of one validator, its super node, and a client of it."""

    def __init__(self, name: str, network: Network) -> None:
        home = network.members[0].config.home
        self.name = name
        self.home = home
        self.url = network.urls[0]
        self.address = network.members[0].config.api_listen
        self.genesis: Genesis = load_genesis(home / "genesis.json")
        self.council = Signer(load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / PASSPHRASE_FILE)))
        self.client = Client([self.url], self.genesis)

    @property
    def chain_id(self) -> str:
        """Its name in clients."""
        return self.genesis.chain_id

    def table(self, key: Path) -> dict[str, object]:
        """Its table in a relay's settings."""
        return {"family": "chainnode", "endpoints": [self.url], "genesis": str(self.home / "genesis.json"), "key": str(key)}

    async def propose(self, kind: str, *arguments: object) -> None:
        """Decide something by governance, alone."""
        await self.client.submit(Invocation("governance", "propose", (kind, tuple(arguments), "a test")), self.council)

    async def follow(self, other: "Chain", number: int, *, trusting_ms: int | None = None) -> str:
        """A 07-tendermint client of another chain from its last header on; its id, `number` being how many clients there are."""
        header = (await other.client.header()).header
        state = tendermint.client_state_of(beginning_of(other.genesis), RevisionHeight(revision_of(other.chain_id), header.height))
        if trusting_ms is not None:
            state = replace(state, trusting_period_ns=trusting_ms * 1_000_000)
        first = encode_consensus_state(tendermint.consensus_state_of(header))
        await self.propose("create_client", DIRECT, encode_client_state(state), first, self.council.did, ())
        return f"{DIRECT}-{number}"

    async def anchor(self, other: "Chain", number: int, *, footing: str, client_there: str) -> str:
        """A 20-anchored client of another chain."""
        latest = RevisionHeight(revision_of(other.chain_id), 0)
        state = anchored.encode_client_state(AnchoredState(other.chain_id, footing, client_there, PREFIX, latest))
        await self.propose("create_client", ANCHORED, state, b"", self.council.did, ())
        return f"{ANCHORED}-{number}"

    async def register(self, client_id: str, counterparty: str) -> None:
        """Say which client follows this chain there."""
        await self.client.submit(Invocation("clients", "register_counterparty", (client_id, counterparty, PREFIX)), self.council)

    async def send_evidence(self, client_id: str, digest: bytes, *, timeout_s: int = 600) -> int:
        """Put a digest on record and send its record on; the packet's number."""
        (proved,) = await self.client.anchor([digest], self.council)
        claim = proved.bundle.claim
        assert isinstance(claim, EvidenceClaim)
        records = CarriedRecords(self.chain_id, proved.fact.size, (carried(claim.leaf, claim.index, claim.path),))
        payload = (PORT, PORT, VERSION, ENCODING, encode_records(records))
        done = await self.client.submit(Invocation("packets", "send", (client_id, int(time.time()) + timeout_s, (payload,))), self.council)
        (sequence,) = done.values
        assert isinstance(sequence, int)
        return sequence

    async def ibc(self, key: bytes) -> bytes | None:
        """What store `ibc` holds."""
        return (await self.client.state("ibc", key)).fact.value
