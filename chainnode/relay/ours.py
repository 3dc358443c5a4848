"""Transactions to chains of this program: the calls of contracts `clients` and `packets`, signed by the relay's party."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chainnode import codec, transactions
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.digests import tx_id as id_of_body
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign.packetbytes import encode_packet
from chainnode.relay.adapter import Acknowledge, Message, Misbehaviour, Receive, Submitted, TimeOut, UpdateClient
from chainnode.relay.comet import CometChain
from chainnode.relay.endpoints import Endpoint, Endpoints, Lie, beside_loop
from chainnode.types.codes import CHAIN_SILENT, CODES, OK, OUTCOME_UNKNOWN, REPLAYED, Code
from chainnode.types.limits import RELAY_ANSWER_BYTES_MAX, RELAY_MESSAGE_BYTES, RELAY_SUBMIT_MS, TX_CALLS_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody, Value
from chainnode.vc.rolerecord import read_role_grants, role_key
from contracts.clientrecords import decode_record, record_key

CLIENTS, PACKETS = "clients", "packets"
MEDIA = "application/msgpack"
LIFETIME_MS = 60_000
_NS_PER_MS = 1_000_000
_TEXT_LENGTH_MAX = 4096
_CODES_BY_NUMBER = {code.number: code for code in CODES.values()}


@dataclass(frozen=True, slots=True)
class OurSender:
    """A party on a chain of this program; `did` is its identifier there."""

    chain_id: str
    genesis_hash: bytes
    key: PrivateKey
    did: str

    async def submit(self, endpoints: Endpoints, messages: Sequence[Message]) -> Submitted:
        """One transaction with all messages, through one node after the other until one tells what became of it."""
        tx_id, raw = self._transaction([call_of(message) for message in messages])
        return await endpoints.first_good(lambda endpoint: self._post(endpoints, endpoint, tx_id, raw))

    def room(self, messages: Sequence[Message]) -> int:
        """As many as have TX_CALLS_MAX calls and RELAY_MESSAGE_BYTES together, the first in any case."""
        size = 0
        for place, message in enumerate(messages):
            size += len(codec.encode(call_of(message).arguments))
            if place == TX_CALLS_MAX or (place and size > RELAY_MESSAGE_BYTES):
                return place
        return len(messages)

    async def check(self, chain: CometChain) -> list[str]:
        """That the party holds a role, which writing to the chain takes."""
        value = await _told(chain, "roles", role_key(self.did))
        try:
            grants = () if value is None else read_role_grants(value)[1]
        except Malformed:
            return [f"{chain.name}: what the node says of the roles of {self.did} can not be read"]
        now_ms = time.time_ns() // _NS_PER_MS
        if any(one.is_valid_at(now_ms) for one in grants):
            return []
        return [f"{chain.name}: {self.did}, by whom the relay signs, holds no role on this chain"]

    async def check_client(self, chain: CometChain, client_id: str, counterparty: str) -> list[str]:
        """That the client's counterparty is the other one of the route, and that the party may serve it."""
        key = record_key(client_id)
        value = None if key is None else await _told(chain, CLIENTS, key)
        try:
            record = None if value is None else decode_record(value)
        except Malformed:
            record = None
        if record is None:
            return [f"{chain.name}: what the node says of {client_id} can not be read"]
        found: list[str] = []
        if record.counterparty != counterparty:
            pair = f"its creator, {record.creator}, names it: chainnode client pair {client_id} {counterparty}"
            says = (
                f"no counterparty yet; {pair}"
                if record.counterparty is None
                else f"the counterparty {record.counterparty}, not {counterparty}"
            )
            found.append(f"{chain.name}: {client_id} has {says}")
        if record.relayers and self.did not in record.relayers:
            found.append(f"{chain.name}: {client_id} is served by {', '.join(record.relayers)} alone, not by {self.did}")
        return found

    def _transaction(self, calls: Sequence[Invocation]) -> tuple[bytes, bytes]:
        now_ms = time.time_ns() // _NS_PER_MS
        nonce = secrets.token_bytes(transactions.NONCE_BYTES)
        body = transactions.encode_body(TransactionBody(self.chain_id, (self.did,), nonce, now_ms + LIFETIME_MS, tuple(calls)))
        signature = sign(self.key, transactions.sign_bytes(self.genesis_hash, body))
        return id_of_body(body), transactions.encode_transaction(body, [Signature(self.key.suite, self.key.public, signature)])

    async def _post(self, endpoints: Endpoints, endpoint: Endpoint, tx_id: bytes, raw: bytes) -> Submitted:
        wait_ms = RELAY_SUBMIT_MS - endpoints.call_ms
        query = {"wait_ms": str(wait_ms)}
        content = await endpoints.request(endpoint, "POST", "/v1/transactions", query, codec.encode((raw,)), MEDIA, wait_ms)
        try:
            return await beside_loop(content, lambda: _outcome_in(tx_id, content))
        except Malformed as error:
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url} does not answer a submission as a node does: {error.detail}") from error


def call_of(message: Message) -> Invocation:
    """The call of a contract that a message is."""
    match message:
        case UpdateClient():
            return Invocation(CLIENTS, "update", (message.client_id, message.message))
        case Misbehaviour():
            return Invocation(CLIENTS, "misbehaviour", (message.client_id, message.message))
        case Receive():
            return Invocation(PACKETS, "receive", (encode_packet(message.packet), message.proof, str(message.height)))
        case Acknowledge():
            arguments = (encode_packet(message.packet), message.acknowledgement, message.proof, str(message.height))
            return Invocation(PACKETS, "acknowledge", arguments)
        case TimeOut():
            return Invocation(PACKETS, "time_out", (encode_packet(message.packet), message.proof, str(message.height)))


async def _told(chain: CometChain, store: str, key: bytes) -> bytes | None:
    """What a node says that a store holds. It is not proved: nothing but advice for the operator follows from it."""

    def value_of(document: object) -> bytes | None:
        value = document.get("value") if isinstance(document, dict) else None
        try:
            return bytes.fromhex(value) if isinstance(value, str) else None
        except ValueError:
            return None

    path = f"/v1/state/{store}/{key.hex()}"
    return await chain.endpoints.first_good(lambda endpoint: chain.endpoints.get(endpoint, path, {"proof": "none"}, value_of))


def _outcome_in(tx_id: bytes, content: bytes) -> Submitted:
    """The one outcome of an answer."""
    (one,) = codec.as_array(codec.decode(content, bytes_max=RELAY_ANSWER_BYTES_MAX), 1)
    return _outcome(tx_id, one)


def _outcome(tx_id: bytes, value: Value) -> Submitted:
    """[tx id or nil, code, name, detail, height or nil, index or nil, result data or nil]. Raises when no block has applied it."""
    said_id, number, name, detail, height, _, result = codec.as_array(value, 7)
    code = _code(codec.as_int(number, 0, 2**32 - 1), codec.as_str(name, _TEXT_LENGTH_MAX))
    words = codec.as_str(detail, _TEXT_LENGTH_MAX)
    if result is None or height is None:
        if code in (OK, REPLAYED):
            raise Unavailable(OUTCOME_UNKNOWN, words)
        raise (Unavailable if code.number >= 900 else Rejected)(code, words)
    if said_id != tx_id:
        raise Lie("the outcome is that of another transaction")
    at = codec.as_int(height, 1, 2**63 - 1)
    if code == OK:
        return Submitted(at)
    error_name, call_index, reason = codec.as_array(codec.decode(codec.as_bytes(result), bytes_max=RELAY_ANSWER_BYTES_MAX), 3)
    failure: ChainError = Rejected(_code(code.number, codec.as_str(error_name, _TEXT_LENGTH_MAX)), codec.as_str(reason, _TEXT_LENGTH_MAX))
    return Submitted(at, codec.as_int(call_index, 0, TX_CALLS_MAX), failure)


def _code(number: int, name: str) -> Code:
    """The code with this number; one that this version does not know has no meaning here."""
    return _CODES_BY_NUMBER.get(number) or Code(number, name, "This version of the relay does not know the code.")
