"""What an EVM chain without provable finality is believed by: the word of k of n attestors, each of whom may lie or hang.

Attestors speak of heights and of the outbox. What our light client there knows of us the chain's endpoints say, unproved: if they lie
of it, the relay sends what that client refuses, or nothing; no client believes a thing for it.
"""

import asyncio
import time
from dataclasses import dataclass, field

from chainnode.errors import ChainError, Rejected, Unavailable
from chainnode.foreign import attestations
from chainnode.foreign.attested import STATE_TAG, AttestationProof, check_path, check_signatures, decode_state, encode_proof
from chainnode.relay import clientviews, evmjson
from chainnode.relay.adapter import Proved
from chainnode.relay.attestors import Attestors
from chainnode.relay.endpoints import Endpoints
from chainnode.relay.evmrpc import ask, hexed
from chainnode.relay.facts import NS_PER_S, ClientView, Tip
from chainnode.types.codes import ATTESTORS_DISAGREE, NO_MISBEHAVIOUR, ROUTE_WRONG
from chainnode.types.limits import RELAY_HEADERS_KEPT, RELAY_TIP_MS

_WORD = 32


@dataclass(slots=True)
class AttestedGround:
    """Implements `EvmGround`. `endpoints` are those of the chain."""

    name: str
    number: int
    endpoints: Endpoints
    outbox: bytes
    attestors: Attestors
    _tip: Tip | None = None
    _asked: float = 0.0
    _states: dict[int, AttestationProof] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def chain_id(self) -> str:
        """Whose word is taken: a client by attestors names no chain."""
        return clientviews.attestors_name(self.attestors.addresses, self.attestors.needed)

    @property
    def trust(self) -> str:
        """Of clients by attestors."""
        return attestations.TRUST

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest height that enough attestors have signed; what is decided becomes final later, so `at_least` is not waited for."""
        async with self._lock:
            if self._tip is None or time.monotonic() - self._asked > RELAY_TIP_MS / 1000:
                await self._look()
                self._asked = time.monotonic()
        assert self._tip is not None
        return self._tip

    async def _look(self) -> None:
        """Raise the tip to the highest height that enough sign."""
        error: ChainError | None = None
        for height in await self.attestors.heights():
            if self._tip is not None and height <= self._tip.height:
                continue
            try:
                proof = await self.attestors.state(height)
            except Unavailable as failure:
                error = error or failure
                continue
            self._remember(height, proof)
            self._tip = Tip(height, decode_state(proof.statement).time_s * NS_PER_S)
            return
        if self._tip is None:
            raise error or Unavailable(ATTESTORS_DISAGREE, f"{self.name}: no attestor names a height")

    def _remember(self, height: int, proof: AttestationProof) -> None:
        self._states[height] = proof
        while len(self._states) > RELAY_HEADERS_KEPT:
            del self._states[min(self._states)]

    async def client_messages(self, known: ClientView, height: int) -> tuple[bytes, ...]:
        """One statement about the height, with the signatures that the client asks for, verified by its own set."""
        client = attestations.decode_client_state(known.state)
        if known.chain_id != self.chain_id:
            raise Rejected(ROUTE_WRONG, f"{known.client_id} takes the word of {known.chain_id}, the settings name {self.chain_id}")
        proof = self._states.get(height)
        if proof is None:
            proof = await self.attestors.state(height)
            self._remember(height, proof)
        check_signatures(client.addresses, client.needed, proof, STATE_TAG)
        return (attestations.encode_message(proof),)

    async def misbehaviour(self, known: ClientView, evidence: object) -> bytes:
        """Attestors' contradictions are found by the client itself."""
        raise Rejected(NO_MISBEHAVIOUR, f"{self.name}: attestors who contradict themselves freeze a client by an update")

    async def newest(self) -> int:
        """The newest block: our contracts are read there, by an endpoint's word."""
        return await self.endpoints.first_good(lambda endpoint: ask(self.endpoints, endpoint, evmjson.quantity, "eth_blockNumber"))

    async def slot(self, contract: bytes, place: bytes, height: int) -> bytes | None:
        """What a slot holds, by an endpoint's word."""
        asked = hexed(contract), hexed(place), hexed(height)
        found = await self.endpoints.first_good(lambda endpoint: ask(self.endpoints, endpoint, evmjson.data, "eth_getStorageAt", *asked))
        return found.rjust(_WORD, b"\0") if any(found) else None

    async def prove(self, key: bytes, height: int, root: bytes | None = None) -> Proved:
        """What enough attestors sign that the outbox holds."""
        value, proof = await self.attestors.packet(height, key)
        check_path(proof, height, key, value)
        return Proved(value, encode_proof(proof))

    async def check(self) -> list[str]:
        """Whether each attestor answers, is of this chain and outbox, and is one of those that count, once."""
        found: list[str] = []
        known: dict[bytes, str] = {}
        for endpoint in list(self.attestors.endpoints.all):
            try:
                about = await self.attestors.about(endpoint)
            except ChainError as error:
                found.append(f"attestor {endpoint.url}: {error.detail}")
                continue
            if (about.chain_id, about.outbox) != (self.number, self.outbox):
                found.append(f"attestor {endpoint.url} speaks of chain {about.chain_id}, outbox 0x{about.outbox.hex()}")
            if about.address not in self.attestors.addresses:
                found.append(f"attestor {endpoint.url} signs as 0x{about.address.hex()}, which attestor_addresses does not name")
            if about.address in known:
                found.append(f"attestors {known[about.address]} and {endpoint.url} are one")
            known[about.address] = endpoint.url
        able = sum(address in self.attestors.addresses for address in known)
        if able < self.attestors.needed:
            found.append(f"{able} attestors can be asked, where {self.attestors.needed} are needed")
        return found

    def condition(self) -> dict[str, object]:
        """The tip, and how the attestors behave."""
        tip = self._tip or Tip(0, 0)
        attestors = [one.condition() for one in self.attestors.endpoints.all]
        return {"height": tip.height, "time_ns": tip.time_ns, "needed": self.attestors.needed, "attestors": attestors}

    async def close(self) -> None:
        """Let the connections to the attestors go."""
        await self.attestors.endpoints.close()
