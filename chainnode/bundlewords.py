"""What a verified bundle proved, and what it did not, in plain sentences."""

from contextlib import suppress

from chainnode import codec
from chainnode.bid import PREFIX
from chainnode.digests import header_hash
from chainnode.errors import Malformed
from chainnode.foreign.evidencepackets import decode_lineage
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import (
    AnchoredFact,
    AnchorFact,
    DirectFact,
    EvidenceFact,
    Fact,
    HeaderFact,
    Signer,
    StateFact,
    TransactionFact,
    Verified,
)
from chainnode.types.codes import CODES
from chainnode.types.limits import STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Invocation, Value

_NS_PER_MS = 1_000_000
_OTHER_VALIDATORS = "That the validators of the other chain told the truth; the light client has checked that they signed the header."
_CODE_NAMES = {code.number: code.name for code in CODES.values()}


def proved(verified: Verified) -> tuple[str, ...]:
    """The fact first, then by whose word it holds."""
    return fact_words(verified.fact), *hop_words(verified), *trust_words(verified)


def fact_words(fact: Fact) -> str:
    """The fact itself, and on which chain, if that is not the chain of the bundle."""
    return place_words(fact) + (_fact(fact.fact) if isinstance(fact, AnchoredFact) else _fact(fact))


def place_words(fact: Fact) -> str:
    """The beginning of a sentence: on which other chain a fact holds. Nothing when it is on that of the bundle."""
    if not isinstance(fact, AnchoredFact):
        return ""
    return f"On chain {_escaped(fact.anchor.chain_id)}, on record as did:bid:{fact.anchor.ac}: "


def hop_words(verified: Verified) -> tuple[str, ...]:
    """Of a fact on another chain: how the chain of the bundle fixes it, and what it has on record of the other chain."""
    fact = verified.fact
    if isinstance(fact, AnchoredFact):
        header, anchor = fact.header, fact.anchor
        links = "1 link leads" if fact.links == 1 else f"{fact.links} links lead"
        way = f"to which {links} down from header {anchor.height}, {anchor.header_hash.hex()}, " if fact.links else ""
        held = (
            f"Fixed by header {header_hash(header).hex()} of chain {_escaped(anchor.chain_id)}, height {header.height}, time "
            f"{time_to_text(header.time_ns)}, {way}whose hash {verified.chain_id} held after block {anchor.state_height} in its "
            f"{_client(anchor)}; genesis {anchor.genesis_hash.hex()}."
        )
        return held, *_warning(anchor, verified)
    return _warning(fact, verified) if isinstance(fact, AnchorFact) else ()


def trust_words(verified: Verified) -> tuple[str, ...]:
    """The last header, who signed it, each in a sentence, and where trust begins."""
    return _header(verified), *(_signer(signer) for signer in verified.signers), _trust(verified)


def not_proved(fact: Fact) -> tuple[str, ...]:
    """What a reader might think was proved, and was not."""
    common = "That more than two thirds of the voting power told the truth; the proof shows that they signed this."
    match fact:
        case AnchorFact():
            return "What the header says: the bundle has its hash alone.", _OTHER_VALIDATORS, common
        case AnchoredFact():
            return (
                *not_proved(fact.fact)[:-1],
                "That the other chain is in good standing now: what is on record of it was so after that block.",
                _OTHER_VALIDATORS,
                common,
            )
        case HeaderFact():
            return "What the block contains.", common
        case StateFact():
            return f"That this still holds: it is the state after block {fact.state_height}, later blocks may have changed it.", common
        case EvidenceFact():
            return (
                "That what was recorded is true or was made by the submitter: only that its digest was on record by that time.",
                "That no one recorded the same digest earlier.",
                common,
            )
        case TransactionFact():
            return *_not_proved_of_transaction(fact), common


def value_to_text(value: Value) -> str:
    """A codec value for people: bytes as 0x and hexadecimal, lists in [], maps in {}."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case str():
            return _quoted(value)
        case tuple():
            return "[" + ", ".join(value_to_text(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_quoted(name)}: {value_to_text(item)}" for name, item in value.items()) + "}"
        case True | False | None:
            return str(value).lower()
    return str(value)


def stored_value_to_text(value: bytes) -> str | None:
    """What the bytes of a state value spell, when they are canonical; None when they are not."""
    try:
        return value_to_text(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX))
    except Malformed:
        return None


def key_to_text(key: bytes) -> str:
    """A state key: as text when it is plain text, else as 0x and hexadecimal."""
    text = key.decode("ascii", "replace")
    return _quoted(text) if text.isascii() and text.isprintable() else "0x" + key.hex()


def _quoted(text: str) -> str:
    """Text in quotation marks with whatever could mislead a terminal escaped."""
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _client(anchor: AnchorFact) -> str:
    return f"client {_escaped(anchor.client_id)}, trust class {anchor.trust}"


def _warning(anchor: AnchorFact, verified: Verified) -> tuple[str, ...]:
    """What must not be overheard: that the chain is not, or no longer, in good standing."""
    if not anchor.warning:
        return ()
    return (f"ATTENTION: {verified.chain_id} says that {_escaped(anchor.warning)}. What the chain had signed is proved all the same.",)


def _fact(fact: DirectFact | AnchorFact) -> str:
    match fact:
        case AnchorFact():
            return (
                f"After block {fact.state_height} the chain held {fact.header_hash.hex()} as the hash of header {fact.height} of chain "
                f"{_escaped(fact.chain_id)} (on record as did:bid:{fact.ac}, genesis {fact.genesis_hash.hex()}), in its {_client(fact)}."
            )
        case HeaderFact():
            return f"The chain decided block {fact.header.height}."
        case StateFact(value=None):
            return f"After block {fact.state_height}, store {fact.store} holds nothing under key {key_to_text(fact.key)}."
        case StateFact():
            assert fact.value is not None
            words = stored_value_to_text(fact.value) or "0x" + fact.value.hex()
            return f"After block {fact.state_height}, store {fact.store} holds under key {key_to_text(fact.key)} the value {words}."
        case EvidenceFact():
            return (
                f"Block {fact.height}, at {time_to_text(fact.time_ms * _NS_PER_MS)}, put on record for {_quoted(fact.submitter)} "
                f"the {_quoted(fact.algorithm)} digest {fact.digest.hex()} with the note {_note(fact)}, "
                f"by transaction {fact.tx_id.hex()}: record {fact.index} of an evidence log of {fact.size}."
            )
        case TransactionFact():
            return _transaction(fact)


def _note(fact: EvidenceFact) -> str:
    """The description of a record. Of one that a packet brought: where it stands on the chain that it came from."""
    if isinstance(fact.meta, bytes) and not fact.submitter.startswith(PREFIX):
        with suppress(Malformed):
            there = decode_lineage(fact.meta)
            return (
                f"that it is record {there.index} of the log of {_quoted(there.chain_id)}, of block {there.height},"
                f" {time_to_text(there.time_ms * _NS_PER_MS)}, for {_quoted(there.issuer)}, by transaction {there.tx_id.hex()},"
                f" with the note {_text_or_hex(there.meta)}"
            )
    return _text_or_hex(fact.meta)


def _text_or_hex(note: Value) -> str:
    """A description of bytes that are plain text, as that text; of any other, as any value."""
    if isinstance(note, bytes):
        with suppress(UnicodeDecodeError):
            text = note.decode()
            if text.isprintable():  # controls and marks that turn the direction of writing are not
                return _quoted(text)
    return value_to_text(note)


def _transaction(fact: TransactionFact) -> str:
    body = fact.transaction.body
    calls = "; ".join(_call(call) for call in body.calls)
    sentence = (
        f"Block {fact.height}, at {time_to_text(fact.time_ns)}, holds transaction {fact.transaction.tx_id.hex()} "
        f"of {', '.join(_quoted(signer) for signer in body.signers)}: {calls}."
    )
    if fact.result_code is None or fact.result_data is None:
        return sentence
    words = stored_value_to_text(fact.result_data) if fact.result_data else None
    outcome = (
        "was applied" if fact.result_code == 0 else f"failed with code {fact.result_code} ({_CODE_NAMES.get(fact.result_code, 'unknown')})"
    )
    return f"{sentence} It {outcome}, with the result {words or '0x' + fact.result_data.hex()}."


def _call(call: Invocation) -> str:
    return f"{_escaped(call.contract)}.{_escaped(call.method)}({', '.join(value_to_text(argument) for argument in call.arguments)})"


def _not_proved_of_transaction(fact: TransactionFact) -> tuple[str, ...]:
    notes = []
    if fact.result_code is None:
        notes.append("That the transaction was applied: a block also holds transactions that fail.")
    if not fact.are_signatures_checked:
        notes.append("Its SM2 signatures: the library tongsuopy is not installed here (README.md says under Commands how to install it).")
    if not all(fact.own_keys) and fact.result_code != 0:
        notes.append("That the keys which signed it speak for the signers: that needs their DID documents, or a result.")
    notes.append("That its effects still hold: later blocks may have changed them.")
    return tuple(notes)


def _header(verified: Verified) -> str:
    return (
        f"Fixed by header {verified.header_hash.hex()} of chain {verified.chain_id}, height {verified.height}, "
        f"time {time_to_text(verified.time_ns)}; signed by {verified.power_signed} of {verified.power_total} voting power:"
    )


def _signer(signer: Signer) -> str:
    who = f"{_quoted(signer.name or '')}, {_quoted(signer.operator)}" if signer.operator is not None else "joined after genesis"
    return f"{'signed' if signer.has_signed else 'did not sign'}: validator {signer.address.hex()} ({who}), power {signer.power}"


def _trust(verified: Verified) -> str:
    steps = " -> ".join(str(height) for height in verified.path_heights)
    if verified.trusted_height == 0:
        return f"Trust begins at the genesis file with hash {verified.genesis_hash.hex()} and goes by heights {steps}."
    return f"Trust begins at the header of height {verified.trusted_height} that you named; the bundle's path goes by heights {steps}."
