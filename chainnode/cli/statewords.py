"""What a proved state value says, in the contracts' words; and the state key of a thing that people have a name for."""

from collections.abc import Callable

from chainnode import codec
from chainnode.bundlewords import value_to_text
from chainnode.cli.clientwords import client_key, client_words
from chainnode.cli.freezewords import freeze_key, freeze_words, order_words
from chainnode.cli.plainwords import named
from chainnode.cli.plainwords import time_words as _time
from chainnode.cli.usage import UsageError
from chainnode.did.chainapplication import decode_appeal, decode_application
from chainnode.did.chainfeeds import decode_report
from chainnode.did.chainform import info, wish_of
from chainnode.did.chainrecord import decode_chain
from chainnode.did.record import (
    INVOCATION,
    P256,
    PURPOSES,
    X25519,
    Document,
    Method,
    decode_identity,
    decode_recovery,
    decode_superseded,
)
from chainnode.errors import ChainError
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import StateFact
from chainnode.types.limits import DID_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.vc.listrecord import LIST_ENTRIES, decode_list, list_key
from contracts import (
    chainapplications,
    chainchanges,
    chainreports,
    chains,
    credentials,
    evidence,
    goods,
    governance,
    identityrecords,
    roles,
    validators,
)
from contracts.clientrecords import NAME as CLIENTS
from contracts.packagecodes import unit_key
from contracts.receiptrecords import STORE as RECEIPTS
from contracts.receiptrecords import Pledge, Receipt, decode_receipt, receipt_key
from contracts.supervisionrecords import NAME as SUPERVISION
from contracts.supervisionrecords import Kind, order_key, target_key

_SUITES = {"e": "Ed25519", "s": "secp256k1", "z": "SM2", P256: "P-256", X25519: "X25519"}


# What people name, and where the ledger keeps it.
_THINGS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "receipt": (RECEIPTS, receipt_key),
    "package": (goods.NAME, unit_key),
    "intake": (goods.NAME, goods.intake_key),
    "roles": (roles.NAME, roles.holder_key),
    "identity": (identityrecords.NAME, identityrecords.identity_key),
    "chain": (chains.NAME, chains.chain_key),
    "application": (chains.NAME, lambda number: chainapplications.application_key(int(number))),
    "issuer": (credentials.NAME, credentials.issuer_key),
    "proposal": (governance.NAME, lambda number: governance.proposal_key(int(number))),
    "freeze": (SUPERVISION, freeze_key),
    "client": (CLIENTS, client_key),
}
THINGS = tuple(_THINGS)


def key_of(thing: str) -> tuple[str, bytes]:
    """Store and key of what people name: `receipt:NAME`, `package:CODE`, or another of THINGS.

    UsageError otherwise.
    """
    kind, _, name = thing.partition(":")
    if kind not in _THINGS or not name:
        raise UsageError(f"{thing!r} is not one of {', '.join(kind + ':NAME' for kind in THINGS)}")
    store, make_key = _THINGS[kind]
    try:
        return store, make_key(name)
    except ChainError as error:
        raise UsageError(f"{thing!r}: {error.detail}") from error
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{thing!r}: {name!r} is no number") from error


def words_of(fact: StateFact) -> tuple[str, ...]:
    """Sentences for a value that a contract's decoder reads; nothing for absence and for other values.

    They explain a fact that was proved; whether it was is not for this module to say.
    """
    if fact.value is None:
        return ()
    for store, prefix, tell in _RECORDS:
        if fact.store == store and fact.key.startswith(prefix):
            try:
                return tell(fact.value)
            except (ChainError, ValueError, OverflowError):
                return ()
    return ()


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _receipt(value: bytes) -> tuple[str, ...]:
    one = decode_receipt(value)
    receipt_id = named(one.receipt_id)
    over = f"{_count(one.unit_count, 'package')}, {one.quantity:,} {named(one.uom)} of {value_to_text(one.commodity)}"
    lines = [
        f"Receipt {receipt_id} is {one.status.value}, over {over}.",
        f"Holder {named(one.holder)}; custodian {named(one.custodian)}"
        + (", who signs each transfer too" if one.custodian_cosigns else "")
        + f"; depositor {'several' if one.depositor is None else named(one.depositor)}; stored at {named(one.site)}.",
        *_receipt_burdens(one),
        *_receipt_travels(one),
    ]
    if one.parents:
        lines.append(f"It was made from {', '.join(map(named, one.parents))}.")
    if one.children:
        lines.append(f"It went on as {', '.join(map(named, one.children))}.")
    lines.append(f"Issued in block {one.created_height}, operation {one.sequence} in block {one.changed_height}.")
    lines.append(f"Digests: codes {one.units_digest.hex()}, document {one.document.hex()}, last evidence {one.evidence.hex()}.")
    return tuple(lines)


def _receipt_burdens(one: Receipt) -> list[str]:
    """What stands in the way of who would dispose of a receipt."""
    lines = [_pledge(pledge) for pledge in one.pledges]
    if not one.pledges:
        lines.append("It is not pledged.")
    for hold in one.holds:
        because = f"because of {value_to_text(hold.reason)}"
        lines.append(f"Frozen ({hold.kind.value}) by {named(hold.authority)} since block {hold.height}, {because}.")
    if one.offered_to is not None:
        lines.append(f"A transfer to {named(one.offered_to)} is offered.")
    if one.order is not None:
        order = one.order
        lines.append(
            f"An order to deliver {_count(order.unit_count, 'package')} to {named(order.consignee)} is open since block {order.height}."
        )
    return lines


def _receipt_travels(one: Receipt) -> list[str]:
    """Where a receipt came from, and where it has gone to."""
    lines = []
    if one.origin is not None:
        origin = one.origin
        steps = " and then ".join(f"{named(receipt_id)} on {named(chain_id)}" for chain_id, receipt_id in origin.lineage)
        lines.append(
            f"It came as packet {origin.packet_sequence} of client {named(origin.client_id)}: its goods are elsewhere, under {steps}."
        )
    if one.away is not None:
        away = one.away
        way = f"to {named(away.chain_id)} in packet {away.packet_sequence} of client {named(away.client_id)}, in block {away.height}"
        arrived = "it arrived" if away.has_arrived else "no answer is known here"
        lines.append(f"It moved {way}, as {named(away.receipt_id)} for {named(away.holder)}; {arrived}.")
    return lines


def _pledge(one: Pledge) -> str:
    terms = f"{one.amount:,} of the smallest unit of {named(one.currency)}, due {_time(one.due_ms)}: {value_to_text(one.text)}"
    if one.is_proposal:
        return f"A pledge to {named(one.pledgee)} is proposed until {_time(one.until_ms)}, for {terms}."
    return f"Pledged to {named(one.pledgee)} (rank {one.rank}) since block {one.height}, transaction {one.position} in it, for {terms}."


def _package(value: bytes) -> tuple[str, ...]:
    one = goods.decode_unit(value)
    whose = {
        goods.UnitStatus.STORED: "is stored, under no receipt",
        goods.UnitStatus.COVERED: f"is covered by receipt {named(one.receipt_id or '')}",
        goods.UnitStatus.DELIVERED: f"was delivered under receipt {named(one.receipt_id or '')}",
        goods.UnitStatus.DECOMMISSIONED: "was decommissioned",
    }
    return (
        f"Package {named(one.code)} {whose[one.status]}: {one.quantity:,} {named(one.uom)} of {value_to_text(one.commodity)}.",
        f"Custodian {named(one.custodian)}; taken in with {named(one.intake_id)} in block {one.height} at {named(one.site)}.",
        f"Digest of its source document: {one.document.hex()}.",
    )


def _grants(value: bytes) -> tuple[str, ...]:
    did = codec.as_str(codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 2)[0], DID_BYTES_MAX)
    return tuple(
        f"{named(did)} is {named(one.role)} {'without end' if one.expires_ms == 0 else f'until {_time(one.expires_ms)}'}, "
        f"by {named(one.by)} in block {one.height}" + (f", on evidence {one.evidence.hex()}." if one.evidence else ".")
        for one in roles.decode_grants(value)
    )


def _validator(value: bytes) -> tuple[str, ...]:
    one = validators.decode_validator(value)
    votes = f"votes with power {one.power:,}" if one.power else "does not vote"
    return (
        f"Validator {value_to_text(one.name)} of {named(one.operator)} {votes}; peers connect to {named(one.peer_address)}.",
        f"Its {one.public_key.type.name.lower()} key is {one.public_key.data.hex()}, its node key {one.node_key.hex()}.",
    )


def _identity(value: bytes) -> tuple[str, ...]:
    one = decode_identity(value)
    state = "is active" if one.is_active else "was deactivated"
    return f"Identifier {named(one.did)} {state}: version {one.sequence}, of block {one.height}.", *document_words(one.document)


def _superseded(value: bytes) -> tuple[str, ...]:
    old = decode_superseded(value)
    one = old.identity
    return (
        f"Identifier {named(one.did)}: version {one.sequence}, of block {one.height}, which block {old.until_height} replaced.",
        *document_words(one.document),
    )


def _recovery(value: bytes) -> tuple[str, ...]:
    one = decode_recovery(value)
    return (
        f"{', '.join(map(named, one.asked_by))} asked in block {one.height} for new keys of {named(one.did)},"
        f" which can be in force from {_time(one.ready_ms)} on.",
        *map(method_words, one.methods),
    )


def document_words(one: Document) -> tuple[str, ...]:
    """Keys, control and services of a document."""
    lines = [method_words(method) for method in one.methods]
    control = one.control
    if control.controllers:
        lines.append(f"It is controlled by {control.threshold} of {', '.join(map(named, control.controllers))}.")
    if control.recovery:
        lines.append(f"It can be recovered by {control.recovery_threshold} of {', '.join(map(named, control.recovery))}.")
    lines += [f"Service #{one.fragment}: {named(one.type)} at {named(one.endpoint)}." for one in one.facts.services]
    return tuple(lines)


def method_words(one: Method) -> str:
    """A key of a document, and what it is for."""
    uses = ", ".join(name for name, bit in PURPOSES.items() if one.purposes & bit)
    signs = " It signs transactions." if one.purposes & INVOCATION else ""
    return f"Key #{one.fragment} for {uses}: {_SUITES.get(one.kind, named(one.kind))} {one.key.hex()}.{signs}"


def _chain(value: bytes) -> tuple[str, ...]:
    one = decode_chain(value)
    state = f"is {named(one.status)}"
    keys = [
        f"{each.public_key.type.name.lower()} {each.public_key.data.hex()} with power {each.power:,}" for each in one.validators.validators
    ]
    until = "without end" if one.expires_ms == 0 else f"until {_time(one.expires_ms)}"
    lines = [
        f"Chain {named(one.chain_id)}, {value_to_text(one.name)}, {state} as {one.did}: version {one.sequence}, of block {one.height},"
        f" by {named(one.by)}, for the reason {value_to_text(one.reason)}.",
        f"Admitted {until}, on application {one.application}; industry {named(one.industry)}.",
        f"Operator {named(one.operator)}; gateways {', '.join(map(named, one.gateways))}.",
        f"Resolvers {', '.join(map(named, one.endpoints))}, whose answers count for {one.ttl_s:,} s.",
        f"It begins with genesis {one.genesis_hash.hex()} at {time_to_text(one.genesis_time_ns)} and {_count(len(keys), 'validator')}:"
        f" {'; '.join(keys)}. Trust in that lasts {one.trusting_period_ms // 86_400_000:,} days.",
        f"Light client {named(one.client_id)} follows it here." if one.client_id else "No light client follows it here: it is this chain.",
    ]
    permit = one.permit
    said = (("permit", permit.number), ("filing", permit.filing), ("authority", permit.authority), ("valid until", permit.valid_until))
    if any(text for _, text in said):
        lines.append(f"Its operator says: {', '.join(f'{name} {value_to_text(text)}' for name, text in said if text)}.")
    if one.appeals:
        lines.append(f"Its operator has appealed {_count(one.appeals, 'time')}.")
    return tuple(lines)


def _application(value: bytes) -> tuple[str, ...]:
    one = decode_application(value)
    wish, name = named(wish_of(one.form)), value_to_text(info(one.form, "name"))
    lines = [
        f"Application {one.number} is {named(one.status)}: {named(one.operator)} asks for {wish} for the chain"
        f" {named(one.beginning.chain_id)}, {name}.",
        f"Made in block {one.height}, {_time(one.time_ms)}, for the genesis {one.beginning.genesis_hash.hex()}; industry"
        f" {named(info(one.form, 'industry'))}: {value_to_text(info(one.form, 'description'))}",
    ]
    if one.evidence:
        lines.append(f"It goes by the evidence {', '.join(each.hex() for each in one.evidence)}.")
    if one.decided_height:
        got = f" as {named(one.ac)}" if one.ac else ""
        because = f", for the reason {value_to_text(one.reason)}" if one.reason else ""
        lines.append(f"Decided in block {one.decided_height} by {named(one.by)}{got}{because}.")
    return tuple(lines)


def _appeal(value: bytes) -> tuple[str, ...]:
    one = decode_appeal(value)
    evidence = f", on evidence {one.evidence.hex()}" if one.evidence else ""
    lines = [
        f"Appeal {one.number} of the chain {named(one.ac)} is {named(one.status)}: {value_to_text(one.text)}",
        f"Made in block {one.height} by {named(one.by)}{evidence}.",
    ]
    if one.answered_height:
        lines.append(f"Answered in block {one.answered_height}, for the reason {value_to_text(one.reason)}.")
    return tuple(lines)


def _report(value: bytes) -> tuple[str, ...]:
    one = decode_report(value)
    return (
        f"The chain {named(one.ac)} said of itself ({named(one.feed)}) in block {one.height}, {_time(one.time_ms)}, by {named(one.by)}:"
        f" SHA-256 {one.digest.hex()}.",
        "That is its own word; what of it a verified header covers, /v1/chains says.",
    )


def _proposal(value: bytes) -> tuple[str, ...]:
    one = governance.decode_proposal(value)
    yes = sum(said for _, said in one.votes)
    return (
        f"Proposal {one.number} is {named(one.status)}: {named(one.kind)}({', '.join(map(value_to_text, one.arguments))}).",
        f"Made in block {one.height} by {named(one.by)}, for the reason {value_to_text(one.reason)}; it ends {_time(one.expires_ms)}.",
        f"Votes: {yes} yes, {len(one.votes) - yes} no.",
    )


def _issuer(value: bytes) -> tuple[str, ...]:
    one = credentials.decode_issuer(value)
    state = "is admitted as an issuer" if one.is_admitted else "was removed as an issuer"
    owns = f"{_count(one.schemas, 'schema')}, {_count(one.lists, 'status list')}"
    evidence = f"on evidence {one.evidence.hex()}"
    return (f"{named(one.did)} {state}, {value_to_text(one.name)}, by {named(one.by)} in block {one.height}, {evidence}; {owns}.",)


def _schema(value: bytes) -> tuple[str, ...]:
    one = credentials.decode_schema_version(value)
    what = f"Schema {named(one.schema_id)} of {named(one.issuer)}, version {one.version}"
    return (f"{what}: SHA-256 {one.digest.hex()}, registered in block {one.height}, {_time(one.time_ms)}.",)


def _status_list(value: bytes) -> tuple[str, ...]:
    one = decode_list(value)
    what = f"Status list {named(one.list_id)} of {named(one.issuer)}, for {named(one.purpose)}, begun in block {one.height}"
    used = sum(1 for digest in one.chunks if digest)
    return (
        f"{what}: {LIST_ENTRIES:,} entries of {_count(one.size, 'bit')}, "
        f"changed last in block {one.changed_height}, {_time(one.changed_ms)}.",
        f"{used} of {len(one.chunks)} chunks of it are not all zeros; the record has their digests.",
    )


def _log_head(value: bytes) -> tuple[str, ...]:
    size, root = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 2)
    records = _count(codec.as_int(size, 0, 2**63 - 1), "record")
    return (f"The evidence log has {records} and root {codec.as_bytes(root, 32).hex()}.",)


_RECORDS: tuple[tuple[str, bytes, Callable[[bytes], tuple[str, ...]]], ...] = (
    (RECEIPTS, receipt_key("")[:1], _receipt),
    (goods.NAME, unit_key("-")[:1], _package),
    (roles.NAME, roles.holder_key("")[:1], _grants),
    (validators.NAME, validators.validator_key(b""), _validator),
    (identityrecords.NAME, identityrecords.identity_key("")[:1], _identity),
    (identityrecords.NAME, identityrecords.version_key("", 1)[:1], _superseded),
    (identityrecords.NAME, identityrecords.recovery_key("")[:1], _recovery),
    (chains.NAME, chains.chain_key("0000")[:1], _chain),
    (chains.NAME, chainapplications.application_key(1)[:1], _application),
    (chains.NAME, chainchanges.appeal_key("0000", 1)[:1], _appeal),
    (chains.NAME, chainreports.report_key("0000", "status")[:1], _report),
    (governance.NAME, governance.proposal_key(1)[:1], _proposal),
    (CLIENTS, client_key("-0")[:1], client_words),
    (SUPERVISION, order_key(1)[:1], order_words),
    (SUPERVISION, target_key(Kind.ACCOUNT, "")[:1], freeze_words),
    (evidence.NAME, evidence.HEAD_KEY, _log_head),
    (credentials.NAME, credentials.issuer_key("")[:1], _issuer),
    (credentials.NAME, credentials.schema_version_key("", "", 1)[:1], _schema),
    (credentials.NAME, list_key("", "")[:1], _status_list),
)
