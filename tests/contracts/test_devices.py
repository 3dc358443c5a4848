"""Devices by the thousand: one control, one transaction, each with its own key's word for it."""

import time
from typing import Any

import pytest

from chainnode import codec
from chainnode.bid import did_of
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.did import record
from chainnode.did.record import SIGNING, Attribute, Control, Document, Extension, Facts, Identity, Method, Service, encode_identity
from chainnode.evidencelog import EMPTY_LOG
from chainnode.execution.engine import BlockContext, apply_block, apply_genesis
from chainnode.sheets import PlainSheet
from chainnode.statetree import StateTree
from chainnode.transactions import decode_transaction, encode_body, encode_transaction, sign_bytes
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import DEVICE_TEMPLATE_BYTES_MAX, DEVICES_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from contracts.devices import FRAGMENT, device_message, template_digest
from contracts.identityrecords import NAME, identity_key
from contracts.registry import SystemContracts
from tests.chain_maker import key_of
from tests.contracts.council import CHAIN_ID, did, genesis_hash_of, genesis_of
from tests.contracts.identity_world import Registry, control_of, method_of
from tests.contracts.receipt_world import START_MS
from tests.execution.readers import DictReader

OWN = genesis_hash_of()
CONTROL = control_of("ada ben", 2, recovery="cas")
FACTS = Facts((Service("shop", "LinkedDomains", "https://shop.example"),), extension=Extension(type=104))


@pytest.fixture
def world() -> Registry:
    return Registry()


def did_of_key(key: PrivateKey) -> str:
    """The DID of a device."""
    return did_of("e", key.public)


def arguments(
    keys: list[PrivateKey], control: Control = CONTROL, facts: Facts = FACTS, *, chain: bytes = OWN, signed: Control | None = None
) -> tuple[Any, ...]:
    """Of `create_many`; the devices sign `signed` when it is given."""
    digest = template_digest(signed or control, facts)
    signatures = b"".join(sign(key, device_message(chain, did_of_key(key), digest)) for key in keys)
    return record.control_value(control), record.facts_value(facts), b"".join(key.public for key in keys), signatures


def devices(count: int) -> list[PrivateKey]:
    """Keys of devices."""
    return [key_of(f"device {number}") for number in range(count)]


def test_devices_are_as_if_each_had_registered_alone(world: Registry) -> None:
    keys = devices(5)
    assert world.do(["mia"], "identity.create_many", *arguments(keys)) == 5
    (event,) = world.events
    assert event.name == "identities_created"
    assert event.attributes == {"by": did("mia"), "count": 5, "template": template_digest(CONTROL, FACTS)}
    for key in keys:
        document = Document((Method("key-1", "e", key.public, SIGNING),), CONTROL, FACTS)
        one = Identity(did_of_key(key), 1, b"", world.height, world.time_ms, world.time_ms, True, document)
        assert world.value(NAME, identity_key(one.did)) == encode_identity(one)
    world.do(["mia"], "identity.create_many", *arguments([key_of("alone")], Control(), Facts()))
    by_batch = world.found("alone")
    other = Registry()
    other.create("alone", "alone")
    assert other.found("alone").document == Document((method_of("alone"),))
    assert by_batch.document == Document((Method("key-1", "e", key_of("alone").public, SIGNING),))


def test_inv_33_devices_obey_their_control_and_speak_by_their_key(world: Registry) -> None:
    world.do(["mia"], "identity.create_many", *arguments([key_of("dev")]))
    assert world.speaking("dev", "dev", "ada", "mia") == ["dev"]
    world.refused("signer-missing", "mia dev ada", "identity.rotate", *world.current("dev"), record.methods_value((method_of("new"),)))
    world.rotate("mia ada ben", "dev", "new")


def test_inv_33_each_device_signs_for_itself_for_this_chain_and_this_document(world: Registry) -> None:
    keys = devices(3)
    right = arguments(keys)
    others = {
        "another chain": arguments(keys, chain=bytes(32)),
        "another control": arguments(keys, signed=control_of("ada")),
        "other facts": (*right[:1], record.facts_value(Facts()), *right[2:]),
        "another order": (*right[:3], right[3][64:] + right[3][:64]),
        "a bit": (*right[:3], right[3][:-1] + bytes([right[3][-1] ^ 1])),
        "nobody": (*right[:3], bytes(3 * 64)),
        "another's key": (*right[:2], right[2][:64] + key_of("eve").public, right[3]),
    }
    for bent in others.values():
        world.refused("bad-signature", "mia", "identity.create_many", *bent)
    bare = [sign(key, device_message(OWN, did_of_key(key), template_digest(CONTROL, FACTS))[1:]) for key in keys]
    world.refused("bad-signature", "mia", "identity.create_many", *right[:3], b"".join(bare))
    assert "device 1 " in world.refused(
        "bad-signature", "mia", "identity.create_many", *right[:3], right[3][:64] + bytes(64) + right[3][128:]
    )
    world.do(["mia"], "identity.create_many", *right)


def test_the_bytes_that_a_device_signs_are_frozen() -> None:
    message = device_message(OWN, did("dev"), template_digest(Control(), Facts()))
    body = OWN + b"\x92\xd9\x28" + did("dev").encode() + b"\xc4\x20" + template_digest(Control(), Facts())
    assert message == b"chainnode/did-create/1\x00" + body
    assert template_digest(Control(), Facts()).hex() == FROZEN


FROZEN = "1706269a1e0ee4512083981db4f0ccafb0afe8d5cf4d08da62139869ce1bb458"


def test_a_device_is_registered_once(world: Registry) -> None:
    keys = devices(3)
    world.refused("already-exists", "mia", "identity.create_many", *arguments([*keys, keys[0]]))
    world.do(["mia"], "identity.create_many", *arguments(keys[1:2]))
    detail = world.refused("already-exists", "mia", "identity.create_many", *arguments(keys))
    assert did_of_key(keys[1]) in detail
    world.create("dev")
    world.do(["mia", "dev"], "identity.deactivate", *world.current("dev"))
    world.refused("already-exists", "mia", "identity.create_many", *arguments([key_of("dev")]))


def test_keys_and_signatures_are_whole(world: Registry) -> None:
    control, facts, keys, signatures = arguments(devices(2))
    for bent in ((keys[:-1], signatures), (keys + b"x", signatures), (keys, signatures[:-1]), (keys[:32], signatures), (keys, b"")):
        world.refused("bad-arguments", "mia", "identity.create_many", control, facts, *bent)
    world.refused("too-many", "mia", "identity.create_many", control, facts, b"", b"")
    many = DEVICES_MAX + 1
    world.refused("too-many", "mia", "identity.create_many", control, facts, bytes(32 * many), bytes(64 * many))


def test_a_template_is_short_and_valid(world: Registry) -> None:
    keys = [key_of("dev")]
    value = arguments(keys)
    world.refused("bad-document", "mia", "identity.create_many", ((), 2, (), 1, 3_600_000), *value[1:])
    world.refused("bad-document", "mia", "identity.create_many", value[0], (), *value[2:])
    world.refused("bad-did", "mia", "identity.create_many", (("did:bid:abcd",), 1, (), 1, 3_600_000), *value[1:])
    fits = 260 + DEVICE_TEMPLATE_BYTES_MAX - len(codec.encode(record.document_value(Document((), CONTROL, facts_with(260)))))
    world.refused("bad-document", "mia", "identity.create_many", *arguments(keys, CONTROL, facts_with(fits + 1)))
    world.do(["mia"], "identity.create_many", *arguments(keys, CONTROL, facts_with(fits)))


def test_no_service_of_a_template_takes_the_name_of_the_key(world: Registry) -> None:
    services = [Facts((Service(fragment, "Storage", "https://a.example"),)) for fragment in (FRAGMENT, "files")]
    world.refused("bad-document", "mia", "identity.create_many", *arguments([key_of("dev")], CONTROL, services[0]))
    world.do(["mia"], "identity.create_many", *arguments([key_of("dev")], CONTROL, services[1]))


def facts_with(length: int) -> Facts:
    """Facts with an attribute so long."""
    return Facts(extension=Extension(attributes=(Attribute("key", "desc", 0, "text", "x" * length),)))


def test_inv_21_a_role_is_needed_to_register_devices(world: Registry) -> None:
    world.refused("not-member", "dev", "identity.create_many", *arguments([key_of("dev")]))


def test_ten_thousand_devices_in_one_transaction() -> None:
    """Through the engine and the state tree. The floor is far below what a machine does, so that only a blunder fails it."""
    law = SystemContracts()
    outcome = apply_genesis(law, genesis_of(("ada",), ("v1",)))
    values = {(store, key): value for store, entries in outcome.store_writes.items() for key, value in entries if value is not None}
    params = ChainParams()
    body = TransactionBody(
        CHAIN_ID,
        (did("mia"),),
        bytes(16),
        START_MS + 60_000,
        (Invocation(NAME, "create_many", arguments(devices(DEVICES_MAX), chain=genesis_hash_of(("ada",), ("v1",)))),),
    )
    body_bytes, mia = encode_body(body), key_of("mia")
    raw = encode_transaction(body_bytes, [Signature("e", mia.public, sign(mia, sign_bytes(bytes(32), body_bytes)))])
    assert len(raw) <= params.tx_bytes_max
    tx = decode_transaction(raw)
    begin = time.perf_counter()
    outcome = apply_block(law, DictReader(values), EMPTY_LOG, BlockContext(CHAIN_ID, 1, START_MS), params, [PlainSheet([tx])])
    applied = time.perf_counter()
    assert outcome.results[0].code == 0
    writes = outcome.store_writes[NAME]
    assert len(writes) == DEVICES_MAX
    tree = StateTree.build([(key, value) for (store, key), value in values.items() if store == NAME]).update(writes)
    assert tree.size == DEVICES_MAX + 1
    took = time.perf_counter()
    print(f"{(applied - begin) / DEVICES_MAX * 1e6:.1f} us per device to apply, {(took - applied) / DEVICES_MAX * 1e6:.1f} us in the tree")
    assert took - begin < 20
