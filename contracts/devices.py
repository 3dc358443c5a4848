"""Many DIDs at once under one control: an owner registers the keys of thousands of devices in one transaction.

Hot: 5,000 devices a second on four validators that share two cores. A device costs one signature (about 42 us), its DID
and one write (about 6 us); the records are put together from packed pieces, equal by test to what `encode_identity` makes.
"""

import hashlib

from chainnode import codec
from chainnode.bid import PREFIX
from chainnode.crypto import base58
from chainnode.crypto.keystrings import BASE58_LETTER, digest_suffix
from chainnode.crypto.suites import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from chainnode.crypto.verify import verify_many
from chainnode.did.record import SIGNING, Control, Document, Facts, control_value, document_value, facts_value, read_control, read_facts
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import ALREADY_EXISTS, BAD_ARGUMENTS, BAD_DOCUMENT, BAD_SIGNATURE, TOO_MANY
from chainnode.types.limits import DEVICE_TEMPLATE_BYTES_MAX, DEVICES_MAX
from chainnode.types.transaction import Event, Value
from contracts import chains, roles
from contracts.identity import check_control, read_part
from contracts.identityrecords import NAME, identity_key

SUITE = "e"  # the other suites need libraries that a node may lack, and many of their keys do not fit into one transaction
FRAGMENT = "key-1"
_DOMAIN = b"chainnode/did-create/1\x00"
_DID_BEFORE = PREFIX + SUITE + BASE58_LETTER
_KEY_BYTES = PUBLIC_KEY_BYTES[SUITE]


def template_digest(control: Control, facts: Facts) -> bytes:
    """What a device signs of its document: the SHA-256 of all but its key."""
    return hashlib.sha256(codec.encode(document_value(Document((), control, facts)))).digest()


def device_message(genesis_hash: bytes, did: str, digest: bytes) -> bytes:
    """What a device's own key signs, so that nobody registers a key that is not with them: chain, DID and template."""
    return _DOMAIN + genesis_hash + codec.encode((did, digest))


@method
def create_many(call: Call, state: State, control: Value, facts: Value, keys: bytes, signatures: bytes) -> Value:
    """Register up to 10,000 DIDs of Ed25519 keys under one control, with the same facts. Returns how many.

    `keys` holds 32 bytes of each, `signatures` 64: over `device_message`, in the same order. Any of them wrong, and none is registered.
    """
    roles.require_member(state, call)
    template = Document((), read_part(read_control, control), read_part(read_facts, facts))
    check_control(template.control)
    is_free = all(one.fragment != FRAGMENT for one in template.facts.services)
    require(is_free, BAD_DOCUMENT, f"#{FRAGMENT} names the key of each device, and a service")
    length = len(codec.encode(document_value(template)))
    require(length <= DEVICE_TEMPLATE_BYTES_MAX, BAD_DOCUMENT, f"a template of {length} bytes; {DEVICE_TEMPLATE_BYTES_MAX} are allowed")
    count = len(keys) // _KEY_BYTES
    is_whole = len(keys) == count * _KEY_BYTES and len(signatures) == count * SIGNATURE_BYTES
    require(is_whole, BAD_ARGUMENTS, "a device has a key of 32 bytes and a signature of 64")
    require(0 < count <= DEVICES_MAX, TOO_MANY, f"1 to {DEVICES_MAX} devices in one call")
    cut = [keys[place : place + _KEY_BYTES] for place in range(0, len(keys), _KEY_BYTES)]
    dids = [_DID_BEFORE + base58.encode(digest_suffix(SUITE, key)) for key in cut]
    _write(call, state, template, cut, dids)
    digest = template_digest(template.control, template.facts)
    _check_signatures(chains.own_genesis_hash(state), digest, cut, dids, signatures)
    state.emit(Event(NAME, "identities_created", {"by": call.sender, "count": count, "template": digest}))
    return count


def _write(call: Call, state: State, template: Document, keys: list[bytes], dids: list[str]) -> None:
    """The first version of each. Rejected(ALREADY_EXISTS) names the first that is registered, perhaps by this call."""
    pack, store = codec.pack, state.store(NAME)
    # [did, 1, "", height, time, time, True, [[["key-1", "e", key, SIGNING]], control, facts]], without `did` and `key`
    before = pack((1, b"", call.height, call.time_ms, call.time_ms, True))[1:]
    before += b"\x93\x91\x94" + pack(FRAGMENT) + pack(SUITE) + b"\xc4" + bytes([_KEY_BYTES])
    after = pack(SIGNING) + codec.encode((control_value(template.control), facts_value(template.facts)))[1:]
    for did, key in zip(dids, keys, strict=True):
        place = identity_key(did)
        if store.get(place) is not None:
            require(False, ALREADY_EXISTS, f"{did} is registered")
        store.put(place, b"\x98" + pack(did) + before + key + after)


def _check_signatures(genesis_hash: bytes, digest: bytes, keys: list[bytes], dids: list[str], signatures: bytes) -> None:
    """Rejected(BAD_SIGNATURE) names the first device that has not signed (INV-33)."""
    before, after = _DOMAIN + genesis_hash + b"\x92", codec.pack(digest)
    pack, length = codec.pack, SIGNATURE_BYTES
    items = [
        (SUITE, key, signatures[place * length : (place + 1) * length], before + pack(did) + after)
        for place, (key, did) in enumerate(zip(keys, dids, strict=True))
    ]
    wrong = verify_many(items).find(0)
    require(wrong < 0, BAD_SIGNATURE, f"device {wrong} has not signed" if wrong >= 0 else "")
