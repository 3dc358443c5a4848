"""Light clients as chains keep them, read for the relay: one reader per kind, and the messages that each kind takes.

A kind that is not in the table can be kept by a chain all the same; the relay cannot serve it.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

from chainnode.errors import Malformed, Rejected
from chainnode.foreign import anchored, attestations, qbftclient, tendermint
from chainnode.foreign.anchored import AnchoredHeader
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.tendermintbytes import (
    HeaderMessage,
    Misbehaviour,
    decode_client_state,
    decode_consensus_state,
    encode_header,
    encode_misbehaviour,
)
from chainnode.light import TrustRules
from chainnode.relay.adapter import Proved
from chainnode.relay.facts import NS_PER_S, ClientView, Hub
from chainnode.relay.trust import Hop
from chainnode.types.codes import CLIENT_UNKNOWN, KIND_UNKNOWN

_NS_PER_MS = 1_000_000
View = Callable[[str, bytes, bytes | None], ClientView]
Latest = Callable[[bytes], RevisionHeight | None]


def kind_of(client_id: str) -> str:
    """The kind that a client id begins with."""
    return client_id.rpartition("-")[0]


def latest_of(client_id: str, state: bytes | None) -> RevisionHeight | None:
    """The height of the client's newest consensus state; None when it has none yet. Rejected(CLIENT_UNKNOWN), (KIND_UNKNOWN)."""
    return _row(client_id, state)[0](_present(client_id, state))


def view(client_id: str, state: bytes | None, consensus: bytes | None) -> ClientView:
    """The client with these states. Rejected(CLIENT_UNKNOWN), (KIND_UNKNOWN)."""
    return _row(client_id, state)[1](client_id, _present(client_id, state), consensus)


def rules_of(known: ClientView) -> TrustRules:
    """By what rules a 07-tendermint client judges headers."""
    client = decode_client_state(known.state)
    trusting_ms, drift_ms = client.trusting_period_ns // _NS_PER_MS, client.max_clock_drift_ns // _NS_PER_MS
    return TrustRules(client.chain_id, trusting_ms, drift_ms, client.trust_numerator, client.trust_denominator)


def header_message(hop: Hop, revision: int) -> bytes:
    """A header for a 07-tendermint client, with what it follows from."""
    return encode_header(_header(hop, revision))


def misbehaviour_message(client_id: str, first: Hop, second: Hop, revision: int) -> bytes:
    """Two headers for a 07-tendermint client, the higher first."""
    pair = sorted((first, second), key=lambda hop: -hop.block.header.height)
    return encode_misbehaviour(Misbehaviour(_header(pair[0], revision), _header(pair[1], revision), client_id))


def anchored_message(main: RevisionHeight, height: RevisionHeight, state: Proved, consensus: Proved) -> bytes:
    """A state of a chain for a 20-anchored client, as the hub holds it at height `main`."""
    assert state.value is not None and consensus.value is not None
    return anchored.encode_header(AnchoredHeader(height, state.value, consensus.value, main, state.proof, consensus.proof))


def anchored_misbehaviour(main: RevisionHeight, state: Proved) -> bytes:
    """For a 20-anchored client: that the hub froze its own client of the chain."""
    assert state.value is not None
    return anchored.encode_misbehaviour(state.value, main, state.proof)


def attestors_name(addresses: Sequence[bytes], needed: int) -> str:
    """Whose word a client takes that knows its chain by attestors: the same text for the same set, in whatever order."""
    return f"{needed} of {len(addresses)} attestors ({sha256(b''.join(sorted(addresses))).hexdigest()[:8]})"


def _header(hop: Hop, revision: int) -> HeaderMessage:
    return HeaderMessage(hop.block, RevisionHeight(revision, hop.trusted.height), hop.trusted_validators)


def _present(client_id: str, state: bytes | None) -> bytes:
    if state is None:
        raise Rejected(CLIENT_UNKNOWN, f"there is no client {client_id}")
    return state


def _row(client_id: str, state: bytes | None) -> tuple[Latest, View]:
    _present(client_id, state)
    found = _KINDS.get(kind_of(client_id))
    if found is None:
        raise Rejected(KIND_UNKNOWN, f"the relay knows no clients of the kind {kind_of(client_id)}")
    return found


def _tendermint_latest(state: bytes) -> RevisionHeight:
    return decode_client_state(state).latest_height


def _tendermint_view(client_id: str, state: bytes, consensus: bytes | None) -> ClientView:
    client = decode_client_state(state)
    if consensus is None:
        raise Malformed(CLIENT_UNKNOWN, f"the client {client_id} lacks the state of its own latest height")
    known = decode_consensus_state(consensus)
    return ClientView(
        client_id=client_id,
        kind=tendermint.NAME,
        trust=tendermint.TRUST,
        chain_id=client.chain_id,
        latest=client.latest_height.height,
        latest_time_ns=known.time_ns,
        root=known.root,
        next_validators_hash=known.next_validators_hash,
        trusting_ns=client.trusting_period_ns,
        is_frozen=client.is_frozen,
        state=state,
        consensus=consensus,
    )


def _anchored_latest(state: bytes) -> RevisionHeight | None:
    latest = anchored.decode_client_state(state).latest_height
    return latest if latest.height else None


def _anchored_view(client_id: str, state: bytes, consensus: bytes | None) -> ClientView:
    """It knows nothing before its first update, and expires with the client that it rests on alone."""
    client = anchored.decode_client_state(state)
    known = None if consensus is None else decode_consensus_state(consensus)
    return ClientView(
        client_id=client_id,
        kind=anchored.NAME,
        trust=anchored.TRUST,
        chain_id=client.chain_id,
        latest=client.latest_height.height,
        latest_time_ns=0 if known is None else known.time_ns,
        root=b"" if known is None else known.root,
        next_validators_hash=b"" if known is None else known.next_validators_hash,
        trusting_ns=None,
        is_frozen=client.is_frozen,
        state=state,
        consensus=consensus or b"",
        hub=Hub(client.footing, client.client_there),
    )


def _qbft_latest(state: bytes) -> RevisionHeight:
    return RevisionHeight(0, qbftclient.decode_client_state(state).latest_height)


def _qbft_view(client_id: str, state: bytes, consensus: bytes | None) -> ClientView:
    client = qbftclient.decode_client_state(state)
    if consensus is None:
        raise Malformed(CLIENT_UNKNOWN, f"the client {client_id} lacks the state of its own latest height")
    known = qbftclient.decode_consensus_state(consensus, client.latest_height)
    return ClientView(
        client_id=client_id,
        kind=qbftclient.NAME,
        trust=qbftclient.TRUST,
        chain_id=qbftclient.chain_name(client),
        latest=client.latest_height,
        latest_time_ns=known.time_s * NS_PER_S,
        root=known.state_root,
        next_validators_hash=b"",
        trusting_ns=client.trusting_period_ns,
        is_frozen=client.is_frozen,
        state=state,
        consensus=consensus,
    )


def _attested_latest(state: bytes) -> RevisionHeight:
    return RevisionHeight(0, attestations.decode_client_state(state).latest_height)


def _attested_view(client_id: str, state: bytes, consensus: bytes | None) -> ClientView:
    """It names no chain, but whose word it takes."""
    client = attestations.decode_client_state(state)
    if consensus is None:
        raise Malformed(CLIENT_UNKNOWN, f"the client {client_id} lacks the state of its own latest height")
    return ClientView(
        client_id=client_id,
        kind=attestations.NAME,
        trust=attestations.TRUST,
        chain_id=attestors_name(client.addresses, client.needed),
        latest=client.latest_height,
        latest_time_ns=attestations.kept_state(consensus).time_s * NS_PER_S,
        root=b"",
        next_validators_hash=b"",
        trusting_ns=None,
        is_frozen=client.is_frozen,
        state=state,
        consensus=consensus,
    )


_KINDS: dict[str, tuple[Latest, View]] = {
    tendermint.NAME: (_tendermint_latest, _tendermint_view),
    anchored.NAME: (_anchored_latest, _anchored_view),
    qbftclient.NAME: (_qbft_latest, _qbft_view),
    attestations.NAME: (_attested_latest, _attested_view),
}
