"""Changes of DIDs in plain sentences, for who is about to sign one, and what a DID's record says."""

from chainnode import bundlewords, codec
from chainnode.cli.plainwords import named
from chainnode.cli.statewords import document_words, method_words
from chainnode.client.signing import TransactionDraft
from chainnode.did.record import Control, Document, Facts, Identity, read_control, read_document, read_facts, read_methods
from chainnode.errors import ChainError
from chainnode.rfc3339 import time_to_text
from chainnode.types.transaction import Invocation, Value
from contracts.identityrecords import NAME

_NS_PER_MS = 1_000_000
_MS_PER_HOUR = 3_600_000
_CHANGES = {
    "update": "Replaces services, names and extension of",
    "rotate": "Replaces the keys of",
    "set_control": "Replaces who decides about",
    "recover": "Asks for new keys of",
    "deactivate": "Ends, for ever,",
}


def draft_words(draft: TransactionDraft) -> list[str]:
    """What a transaction does, for whom, and until when."""
    body = draft.body
    lines = [
        f"Transaction {draft.tx_id.hex()} for chain {named(body.chain_id)}, sent by {named(body.signers[0])}.",
        f"Signers: {', '.join(map(named, body.signers))}.",
    ]
    if body.memo:
        lines.append(f"Memo: {bundlewords.value_to_text(body.memo)}")
    return lines + [line for call in body.calls for line in call_words(call)]


def call_words(call: Invocation) -> list[str]:
    """A call of the registry of DIDs in sentences; any other, or one that is not as it should be, as it is written."""
    if call.contract == NAME:
        try:
            return _identity_call(call.method, call.arguments)
        except (ChainError, ValueError, LookupError, TypeError):
            pass
    arguments = ", ".join(map(bundlewords.value_to_text, call.arguments))
    return [f"Calls {named(call.contract)}.{named(call.method)}({arguments})."]


def _identity_call(method: str, arguments: tuple[Value, ...]) -> list[str]:
    if method == "create_many":
        control, facts, keys, _ = arguments
        count = len(codec.as_bytes(keys)) // 32
        return [f"Registers {count:,} devices, each:", *_indented((*control_words(read_control(control)), *fact_words(read_facts(facts))))]
    did = named(codec.as_str(arguments[0], 128))
    if method == "create":
        _, document = arguments
        return [f"Registers {did}:", *_indented(all_words(read_document(document)))]
    if method in ("veto_recovery", "finish_recovery"):
        (_,) = arguments
        return [f"{'Stops' if method == 'veto_recovery' else 'Brings into force'} the pending recovery of {did}."]
    _, sequence, previous, *rest = arguments
    which = f"{did}, version {codec.as_int(sequence, 1, 2**63)} with SHA-256 {codec.as_bytes(previous, 32).hex()}"
    (part,) = rest or ((),)
    words: tuple[str, ...] = ()
    if method in ("rotate", "recover"):
        words = tuple(map(method_words, read_methods(part)))
    elif method == "set_control":
        words = control_words(read_control(part))
    elif method == "update":
        words = fact_words(read_facts(part))
    elif rest:
        raise LookupError(method)
    return [f"{_CHANGES[method]} {which}{':' if words else '.'}", *_indented(words)]


def identity_words(one: Identity) -> list[str]:
    """A version of a DID, with everything that it says."""
    state = "is active" if one.is_active else "was deactivated, for ever"
    head = f"{named(one.did)} {state}: version {one.sequence}, of block {one.height}, {time_to_text(one.time_ms * _NS_PER_MS)}."
    return [head, *_indented(all_words(one.document) if one.is_active else ())]


def all_words(document: Document) -> tuple[str, ...]:
    """Keys, control and facts."""
    return *map(method_words, document.methods), *control_words(document.control), *fact_words(document.facts)


def control_words(control: Control) -> tuple[str, ...]:
    """Who decides, and who can ask for new keys, after how long."""
    lines = list(document_words(Document((), control)))
    if not control.controllers:
        lines.insert(0, "It decides about itself.")
    if control.recovery:
        minutes, hours = control.recovery_delay_ms // 60_000, control.recovery_delay_ms // _MS_PER_HOUR
        lines.append(f"Recovered keys come in force {f'{hours} hours' if minutes == 60 * hours else f'{minutes} minutes'} after asking.")
    return tuple(lines)


def fact_words(facts: Facts) -> tuple[str, ...]:
    """Services, names, and what Xinghuo's extension says besides its defaults."""
    lines = []
    for one, line in zip(facts.services, document_words(Document((), Control(), facts)), strict=True):
        members = ", ".join(f"{named(name)} {bundlewords.value_to_text(value)}" for name, value in one.members)
        lines.append(f"{line} Besides: {members}." if members else line)
    lines += [f"Also known as {named(name)} (type {kind})." for kind, name in facts.also_known_as]
    extension = facts.extension
    if extension != Facts().extension:
        lines.append(f"Xinghuo's extension: type {extension.type}, copies are kept for {extension.ttl_s} s.")
        for attribute in extension.attributes:
            form = f"{named(attribute.format)}, {'encrypted' if attribute.encrypt else 'plain'}"
            about = f" ({bundlewords.value_to_text(attribute.desc)})" if attribute.desc else ""
            lines.append(f"Attribute {named(attribute.key)}{about}, {form}: {bundlewords.value_to_text(attribute.value)}.")
        lines += [f"AC number {named(one)}." for one in extension.acsns]
        lines += [f"Credential {named(did)} (type {kind})." for did, kind in extension.credentials]
        if extension.delegate_signer:
            signature = extension.delegate_signature.hex()
            lines.append(f"Signed by the delegate {named(extension.delegate_signer)}: {signature}.")
    return tuple(lines)


def _indented(lines: tuple[str, ...]) -> list[str]:
    return [f"  {line}" for line in lines]
