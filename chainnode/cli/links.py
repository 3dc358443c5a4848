"""The light clients between the chains of a devnet: found on their ledgers, and made where there are none.

The main chain has its client of a backbone chain by the admission. Each backbone chain has one of the main chain, and, resting on
that, one of each other backbone chain.
"""

import time
from collections.abc import Mapping, Sequence

from chainnode import codec
from chainnode.bundle import beginning_of, verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli.ledgers import Ledger
from chainnode.client.signing import Signer
from chainnode.errors import Rejected
from chainnode.foreign import anchored, tendermint
from chainnode.foreign.anchored import AnchoredState
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.foreign.tendermintbytes import encode_client_state, encode_consensus_state
from chainnode.types.block import Header
from chainnode.types.codes import CLIENT_UNKNOWN
from chainnode.types.transaction import Invocation
from contracts import clientrecords, governance
from contracts.clientrecords import ClientRecord, decode_record, record_key

PREFIX = (b"ibc", b"")  # where a chain of this program keeps what it proves to others
_COUNT_MAX = 2**62


def client_of(on: Ledger, of: Ledger) -> ClientRecord | None:
    """The client that a backbone chain has of another chain; a frozen one is none."""
    kind = tendermint.NAME if of.ac is None else anchored.NAME
    value = on.value(clientrecords.NAME, clientrecords.COUNT_KEY)
    count = 0 if value is None else codec.as_int(codec.decode(value, bytes_max=16), 0, _COUNT_MAX)
    found = (client_with(on, f"{kind}-{number}") for number in range(count))
    return next((one for one in found if (one.kind, one.chain_id, one.is_frozen) == (kind, of.genesis.chain_id, False)), None)


def client_with(on: Ledger, client_id: str) -> ClientRecord:
    """The client with the number of an id."""
    key = record_key(client_id)
    value = None if key is None else on.value(clientrecords.NAME, key)
    if value is None:
        raise Rejected(CLIENT_UNKNOWN, f"{on.name} has no light client {client_id}")
    return decode_record(value)


def required(on: Ledger, of: Ledger) -> ClientRecord:
    """The same, which must be there."""
    found = client_of(on, of)
    if found is None:
        raise Rejected(CLIENT_UNKNOWN, f"{on.name} has no light client of {of.name}")
    return found


def link(main: Ledger, others: Sequence[Ledger], clients_there: Mapping[Ledger, str]) -> bool:
    """Make the clients and name the counterparties that are missing; whether any were.

    `clients_there` are the main chain's clients of the others. On a backbone chain its one super node decides alone.
    """
    done = False
    for on in others:
        if client_of(on, main) is None:
            header = _header(main)
            state = tendermint.client_state_of(
                beginning_of(main.genesis), RevisionHeight(revision_of(main.genesis.chain_id), header.height)
            )
            _create(on, [(tendermint.NAME, encode_client_state(state), encode_consensus_state(tendermint.consensus_state_of(header)))])
            done = True
        footing = required(on, main).client_id
        missing = [of for of in others if of is not on and client_of(on, of) is None]
        if missing:
            _create(on, [(anchored.NAME, _anchored_state(of, footing, clients_there[of]), b"") for of in missing])
            done = True
    return _name_counterparties(main, others, clients_there) or done


def _name_counterparties(main: Ledger, others: Sequence[Ledger], clients_there: Mapping[Ledger, str]) -> bool:
    done = False
    for on in others:
        of_main, there = required(on, main), client_with(main, clients_there[on])
        pairs = [(of_main, there.client_id)]
        pairs += [(required(on, of), required(of, on).client_id) for of in others if of is not on]
        done |= _name(on, pairs, on.super_node())
        done |= _name(main, [(there, of_main.client_id)], on.super_node())
    return done


def _name(on: Ledger, pairs: Sequence[tuple[ClientRecord, str]], creator: Signer) -> bool:
    calls = [
        Invocation(clientrecords.NAME, "register_counterparty", (client.client_id, counterparty, PREFIX))
        for client, counterparty in pairs
        if client.counterparty is None
    ]
    if calls:
        on.apply(calls, creator)
    return bool(calls)


def _create(on: Ledger, wanted: Sequence[tuple[str, bytes, bytes]]) -> None:
    council = on.super_node()
    terms = [("create_client", (kind, state, first, council.did, ()), "another chain of the devnet") for kind, state, first in wanted]
    on.apply([Invocation(governance.NAME, "propose", one) for one in terms], council)


def _anchored_state(of: Ledger, footing: str, client_there: str) -> bytes:
    """How a client of a chain begins that is known through the main chain."""
    latest = RevisionHeight(revision_of(of.genesis.chain_id), 0)
    return anchored.encode_client_state(AnchoredState(of.genesis.chain_id, footing, client_there, PREFIX, latest))


def _header(main: Ledger) -> Header:
    """The main chain's newest header, verified from its genesis file."""
    bundle = bundle_from_json(main.bundle("/v1/headers/latest/bundle"))
    verify_bundle(bundle, main.genesis, time.time_ns())
    return bundle.headers[-1].header
