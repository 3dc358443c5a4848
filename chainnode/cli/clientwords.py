"""What the record of a light client says, in sentences."""

from chainnode.bundlewords import value_to_text
from chainnode.cli.plainwords import named, time_words
from contracts.clientrecords import ClientRecord, decode_record, record_key

_NS_PER_MS = 1_000_000


def client_key(name: str) -> bytes:
    """The key of a light client by its id. ValueError when no client can have it."""
    key = record_key(name)
    if key is None:
        raise ValueError(name)
    return key


def client_words(value: bytes) -> tuple[str, ...]:
    """A light client: what it follows, how far it is, and who may do what with it."""
    one = decode_record(value)
    state = f"is frozen: {value_to_text(one.reason)}" if one.is_frozen else "is not frozen"
    lines = [f"Light client {named(one.client_id)} (trust: {one.trust}) of the chain {named(one.chain_id)} {state}."]
    if one.states:
        lines.append(
            f"Its newest header is {one.latest}, of {time_words(one.latest_time_ns // _NS_PER_MS)}; it keeps {one.states:,} of them."
        )
    else:
        lines.append("It knows no header yet.")
    if one.updates:
        lines.append(f"{one.updates:,} updates, the last change in block {one.updated_height}, {time_words(one.updated_ms)}.")
    lines.append(f"{_counterparty(one)} {_relayers(one)}")
    return tuple(lines)


def _counterparty(one: ClientRecord) -> str:
    if one.counterparty is None:
        return f"It has no counterparty yet; its creator, {named(one.creator)}, names it."
    return f"Its counterparty there is {named(one.counterparty)}."


def _relayers(one: ClientRecord) -> str:
    return (
        f"Packets and answers are brought by {', '.join(map(named, one.relayers))} alone." if one.relayers else "Any member may serve it."
    )
