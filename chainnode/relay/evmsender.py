"""Transactions to an EVM chain: updates of our light client there, packets for the outbox, one call each, signed by the relay's key.

What the light client keeps of headers is known by digests alone, so each call shows it again: from what was sent before, or from logs,
which the digests prove.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Protocol

from chainnode.crypto.suites import PrivateKey
from chainnode.digests import validators_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.foreign import evmclient, evmoutbox
from chainnode.foreign.abi import AbiValue, Word, call
from chainnode.foreign.ethkeys import address_of
from chainnode.foreign.evmclient import KeptState, kept_state
from chainnode.foreign.evmtx import EvmTransaction, hash_of, sign_transaction
from chainnode.foreign.merkleproof import decode_merkle_proof
from chainnode.foreign.packetbytes import decode_acknowledgement
from chainnode.foreign.tendermintbytes import HeaderMessage, decode_header, decode_misbehaviour
from chainnode.relay import evmjson
from chainnode.relay.adapter import Acknowledge, Message, Misbehaviour, Receive, Submitted, TimeOut, UpdateClient
from chainnode.relay.endpoints import Endpoint, Endpoints
from chainnode.relay.evmrpc import ask, hexed
from chainnode.relay.facts import Tip
from chainnode.types.block import ValidatorSet
from chainnode.types.codes import EVM_REVERTED, GAS_TOO_DEAR, OUTCOME_UNKNOWN
from chainnode.types.limits import EVM_GAS_PERCENT, EVM_GAS_PRICE_WEI, EVM_POLL_MS, RELAY_SUBMIT_MS

Call = tuple[bytes, bytes]  # of a contract, with data


class Place(Protocol):
    """Where calls go: the two contracts, and what the light client keeps."""

    async def tip(self, at_least: int = 0) -> Tip:
        """The highest header; waits for `at_least`."""

    async def light_client(self) -> bytes:
        """The address of our light client."""

    async def kept(self, height: int) -> KeptState:
        """What the light client keeps of a header of ours. Rejected(CONSENSUS_UNKNOWN)."""

    def remember(self, state: KeptState) -> None:
        """The light client keeps this from now on."""


@dataclass(slots=True)
class EvmSender:
    """An account on an EVM chain, which pays for what the relay sends."""

    chain_id: int
    outbox: bytes
    key: PrivateKey
    gas_price_max: int = EVM_GAS_PRICE_WEI  # wei: an endpoint names the price, and may share what is paid
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one transaction after the other: they are numbered

    @property
    def address(self) -> bytes:
        """The account."""
        return address_of(self.key.public)

    async def submit(self, endpoints: Endpoints, place: Place, message: Message) -> Submitted:
        """Have one message applied. Heights are one below the block, whose header proves what the block did."""
        async with self._lock:
            height = 0
            for to, data in await self._calls(endpoints, place, message):
                try:
                    height = await self._send_by_any(endpoints, to, data)
                    await place.tip(at_least=height + 1)  # what comes next builds on what this did
                except Rejected as error:
                    if error.code is not EVM_REVERTED:
                        raise
                    return Submitted(height, 0, error)
            if isinstance(message, UpdateClient):
                place.remember(kept_state(decode_header(message.message).block.header))
            return Submitted(height)

    async def _calls(self, endpoints: Endpoints, place: Place, message: Message) -> list[Call]:
        client = await place.light_client()
        match message:
            case UpdateClient():
                header = decode_header(message.message)
                trusted = await place.kept(header.trusted_height.height)
                sets = await self._registrations(endpoints, client, header, trusted)
                return [*sets, (client, evmclient.update(header.block, trusted, header.trusted_validators))]
            case Misbehaviour():
                pair = decode_misbehaviour(message.message)
                calls: list[Call] = []
                signed: list[AbiValue] = []
                for header in (pair.first, pair.second):
                    trusted = await place.kept(header.trusted_height.height)
                    calls += await self._registrations(endpoints, client, header, trusted)
                    signed.append(evmclient.signed_header(header.block, trusted, header.trusted_validators))
                return [*calls, (client, evmclient.misbehaviour(signed[0], signed[1]))]
            case Receive():
                proof = evmclient.membership_proof(await place.kept(message.height.height), decode_merkle_proof(message.proof))
                return [(self.outbox, evmoutbox.receive(message.packet, proof, message.height))]
            case Acknowledge():
                proof = evmclient.membership_proof(await place.kept(message.height.height), decode_merkle_proof(message.proof))
                answer = decode_acknowledgement(message.acknowledgement)
                return [(self.outbox, evmoutbox.acknowledge(message.packet, answer, proof, message.height))]
            case TimeOut():
                proof = evmclient.absence_proof(await place.kept(message.height.height), decode_merkle_proof(message.proof))
                return [(self.outbox, evmoutbox.time_out(message.packet, proof, message.height))]

    async def _registrations(self, endpoints: Endpoints, client: bytes, header: HeaderMessage, trusted: KeptState) -> list[Call]:
        """The sets that must be made known before the header is shown."""
        wanted: list[ValidatorSet] = [header.block.validators]
        if header.block.header.validators_hash != trusted.next_validators_hash:
            wanted.append(header.trusted_validators)
        calls: list[Call] = []
        for validators in wanted:
            found = await _read(endpoints, client, call("sets(bytes32)", Word(validators_hash(validators))))
            if not any(found):
                calls.append((client, evmclient.registration(validators)))
        return calls

    async def _send_by_any(self, endpoints: Endpoints, to: bytes, data: bytes) -> int:
        return await endpoints.first_good(lambda endpoint: self._send(endpoints, endpoint, to, data))

    async def _send(self, endpoints: Endpoints, endpoint: Endpoint, to: bytes, data: bytes) -> int:
        """Send a call and wait for its block. Rejected(EVM_REVERTED); Unavailable(OUTCOME_UNKNOWN) when none comes in time."""
        fields = {"from": hexed(self.address), "to": hexed(to), "data": hexed(data)}
        gas = await ask(endpoints, endpoint, evmjson.quantity, "eth_estimateGas", fields)
        price = await ask(endpoints, endpoint, evmjson.quantity, "eth_gasPrice")
        if price > self.gas_price_max:
            raise Unavailable(GAS_TOO_DEAR, f"{endpoint.url} names a gas price of {price} wei; gas_price_max is {self.gas_price_max}")
        nonce = await ask(endpoints, endpoint, evmjson.quantity, "eth_getTransactionCount", hexed(self.address), "pending")
        made = EvmTransaction(self.chain_id, nonce, price, gas * EVM_GAS_PERCENT // 100, to, data)
        raw = sign_transaction(self.key.secret, made)
        await ask(endpoints, endpoint, evmjson.data, "eth_sendRawTransaction", hexed(raw))
        deadline = time.monotonic() + RELAY_SUBMIT_MS / 1000
        while time.monotonic() < deadline:
            found = await ask(endpoints, endpoint, evmjson.receipt, "eth_getTransactionReceipt", hexed(hash_of(raw)))
            if found is not None:
                if not found.is_done:
                    await ask(endpoints, endpoint, evmjson.data, "eth_call", fields, hexed(found.height))  # says why
                    raise Rejected(EVM_REVERTED, "refused, and not any more a block later")
                return found.height - 1
            await asyncio.sleep(EVM_POLL_MS / 1000)
        raise Unavailable(OUTCOME_UNKNOWN, f"{endpoint.url} has not put the transaction into a block in time")

    async def check(self, endpoints: Endpoints) -> list[str]:
        """That the account can pay, where gas has a price."""
        price = await endpoints.first_good(lambda endpoint: ask(endpoints, endpoint, evmjson.quantity, "eth_gasPrice"))
        asked = hexed(self.address)
        balance = await endpoints.first_good(lambda endpoint: ask(endpoints, endpoint, evmjson.quantity, "eth_getBalance", asked, "latest"))
        return [f"the account {asked} has nothing to pay gas with"] if price and not balance else []


async def _read(endpoints: Endpoints, contract: bytes, data: bytes) -> bytes:
    """What a contract answers, unproved."""
    asked = {"to": hexed(contract), "data": hexed(data)}
    return await endpoints.first_good(lambda endpoint: ask(endpoints, endpoint, evmjson.data, "eth_call", asked, "latest"))
