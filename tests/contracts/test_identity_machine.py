"""The registry against plain dicts: anybody tries anything, in any order, in one block or later, once or again.

The model knows keys and people by name. It says who decides, and the ledger must agree after each step: INV-33 to INV-37.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chainnode.crypto.suites import sign
from chainnode.did import record
from chainnode.did.record import AUTHENTICATION, SIGNING, Document, Facts, Service
from contracts.devices import device_message, template_digest
from contracts.identityrecords import NAME, identity_key, may_sign, old_version, recovery
from tests.chain_maker import key_of
from tests.contracts.council import did, genesis_hash_of
from tests.contracts.identity_world import HOUR_MS, Registry, control_of, method_of
from tests.contracts.receipt_world import Refused

PEOPLE = ("ann", "bob", "cat", "dot")
KEYS = (*PEOPLE, "k1", "k2", "k3")
METHODS = ("create", "create_many", "update", "rotate", "set_control", "recover", "veto_recovery", "finish_recovery", "deactivate")

OWN = genesis_hash_of(("ada",))


@dataclass
class Entry:
    """A registered DID in the model. `keys` says of each listed key whether it signs; `values` are all versions as stored."""

    keys: dict[str, bool]
    control: tuple[str, int, str, int]  # controllers, threshold, recovery, its threshold; people in one text
    shop: str
    height: int
    is_active: bool = True
    values: list[bytes] = field(default_factory=list)
    pending: tuple[dict[str, bool], list[str], int] | None = None  # keys, who asked, from when on


class RegistryModel:
    """World and model side by side."""

    def __init__(self) -> None:
        self.world = Registry(("ada",))
        self.entries: dict[str, Entry] = {}
        self.done: list[tuple[str, list[str], str, tuple[Any, ...]]] = []
        self.accepted: dict[str, int] = {}

    def speaks(self, name: str, key: str) -> bool:
        """Whether a key speaks for somebody."""
        entry = self.entries.get(name)
        return key == name if entry is None else entry.keys.get(key, False)

    def attempt(self, dice: Random) -> None:
        """One try of anything; contract and model must agree."""
        self._pass_time(dice)
        if self.done and dice.random() < 0.1:
            method, signers, name, arguments = dice.choice(self.done)  # the same call again
        else:
            method, name = dice.choice(METHODS), dice.choice(PEOPLE)
            signers = self._signers(dice, name)
            if signers is None:
                return
            arguments = getattr(self, f"_make_{method}")(dice, name, signers)
        sender = "mia" if dice.random() < 0.95 else "stranger"
        expected = sender == "mia" and getattr(self, f"_may_{method}")(name, signers, *arguments)
        self._run(expected, [sender, *signers], method, name, arguments)

    def _pass_time(self, dice: Random) -> None:
        ready = [entry.pending[2] for entry in self.entries.values() if entry.pending]
        luck = dice.random()
        if luck < 0.25 and self.world.height:
            self.world.height, self.world.time_ms = self.world.height - 1, self.world.time_ms - 1_000  # in the block of the last call
        elif ready and luck < 0.5:
            self.world.wait_until(max(self.world.next_ms, dice.choice(ready) + dice.choice((-1, 0, 1))))

    def _signers(self, dice: Random, name: str) -> list[str] | None:
        """Some people whose keys sign; None when one of the keys does not speak for its owner, which the engine finds out."""
        people = {one for one in PEOPLE if dice.random() < 0.4}
        entry = self.entries.get(name)
        if dice.random() < 0.7:
            people |= set((entry.control[0] if entry and dice.random() < 0.6 else name).split() or [name])
        if entry and dice.random() < 0.3:
            people |= set(entry.control[2].split())
        for one in sorted(people):
            known = [key for key in KEYS if self.speaks(one, key)]
            key = dice.choice(known) if known and dice.random() < 0.95 else dice.choice(KEYS)
            speaks = may_sign(self.world.state, did(one), "e", key_of(key).public)
            assert speaks is self.speaks(one, key), (one, key)
            if not speaks:
                return None
        return sorted(people)

    def _run(self, expected: bool, signers: list[str], method: str, name: str, arguments: tuple[Any, ...]) -> None:
        world = self.world
        if method == "create_many":
            spoken = tuple(arguments[1:])
        elif method in ("create", "veto_recovery", "finish_recovery"):
            spoken = (did(name), *arguments[1:])
        else:
            spoken = (did(name), *arguments[0], *arguments[2:])
        try:
            world.do(signers, f"identity.{method}", *spoken)
        except Refused as refusal:
            assert not expected, f"{method} of {name} by {signers} was refused: {refusal}"
            return
        assert expected, f"{method} of {name} by {signers} was not refused"
        self.accepted[method] = self.accepted.get(method, 0) + 1
        self.done.append((method, signers[1:], name, arguments))
        getattr(self, f"_do_{method}")(name, signers[1:], *arguments)

    # Arguments

    def _version(self, dice: Random, name: str) -> tuple[int, bytes]:
        """The current version mostly, sometimes an earlier one, sometimes none."""
        entry = self.entries.get(name)
        luck = dice.random()
        if entry is None or luck < 0.05:
            return dice.choice(((0, b""), (1, b"\x01" * 32), (2**63, b"")))
        sequence = len(entry.values) if luck < 0.8 else dice.randint(1, len(entry.values))
        return sequence, sha256(entry.values[sequence - 1]).digest()

    def _keys(self, dice: Random) -> dict[str, bool]:
        return {key: dice.random() < 0.85 for key in KEYS if dice.random() < 0.4}

    def _control(self, dice: Random) -> tuple[str, int, str, int]:
        parts: list[Any] = []
        for most in (2, 3):
            people = dice.sample(PEOPLE, dice.randint(0, most))
            parts += [" ".join(people), dice.randint(1, max(1, len(people)))]
        return tuple(parts)

    def _make_create(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        made = (self._keys(dice), self._control(dice), dice.choice("xyz"))
        return made, record.document_value(Document(methods_of(made[0]), control_of(*made[1]), facts_of(made[2])))

    def _make_create_many(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        people = dice.sample(PEOPLE, dice.choice((1, 1, 2, 3)))
        control, shop = self._control(dice), dice.choice("xyz")
        digest = template_digest(control_of(*control), facts_of(shop))
        signatures = [sign(key_of(one), device_message(OWN, did(one), digest)) for one in people]
        all_sign = dice.random() < 0.9
        if not all_sign:
            signatures[0] = sign(key_of("k1"), device_message(OWN, did(people[0]), digest))
        value = record.control_value(control_of(*control)), record.facts_value(facts_of(shop))
        return (people, control, shop, all_sign), *value, b"".join(key_of(one).public for one in people), b"".join(signatures)

    def _make_update(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        shop = dice.choice("xyz")
        return self._version(dice, name), shop, record.facts_value(facts_of(shop))

    def _make_rotate(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        keys = self._keys(dice)
        return self._version(dice, name), keys, record.methods_value(methods_of(keys))

    def _make_set_control(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        control, entry = self._control(dice), self.entries.get(name)
        if entry and dice.random() < 0.5:
            control = *control[:2], *entry.control[2:]
        return self._version(dice, name), control, record.control_value(control_of(*control))

    _make_recover = _make_rotate

    def _make_veto_recovery(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        return (None,)

    _make_finish_recovery = _make_veto_recovery

    def _make_deactivate(self, dice: Random, name: str, signers: list[str]) -> tuple[Any, ...]:
        # Rarely, or the walk is over soon.
        return (self._version(dice, name) if dice.random() < 0.2 else (0, b""), None)

    # What should be

    def _decides(self, name: str, signers: list[str]) -> bool:
        controllers, threshold, _, _ = self.entries[name].control
        return sum(one in signers for one in controllers.split()) >= threshold if controllers else name in signers

    def _recovers(self, name: str, signers: list[str]) -> bool:
        _, _, recovery, threshold = self.entries[name].control
        return bool(recovery) and sum(one in signers for one in recovery.split()) >= threshold

    def _are_all(self, name: str, asked: list[str]) -> bool:
        _, _, recovery, threshold = self.entries[name].control
        return len(recovery.split()) > threshold and set(recovery.split()) <= set(asked)

    def _is_known(self, name: str, version: tuple[int, bytes]) -> bool:
        values = self.entries[name].values
        return 0 < version[0] <= len(values) and sha256(values[version[0] - 1]).digest() == version[1]

    def _is_open(self, name: str) -> bool:
        entry = self.entries.get(name)
        return entry is not None and entry.is_active

    def _may_change(self, name: str, signers: list[str], version: tuple[int, bytes]) -> bool:
        if not self._is_open(name) or not self._decides(name, signers):
            return False
        entry = self.entries[name]
        is_ready = entry.pending is not None and self.world.next_ms >= entry.pending[2]
        is_current = version[0] == len(entry.values) and self._is_known(name, version)
        return is_current and not is_ready and self.world.height + 1 > entry.height

    def _may_create(self, name: str, signers: list[str], made: Any, _: Any) -> bool:
        keys, control, _shop = made
        return name in signers and name not in self.entries and (any(keys.values()) or bool(control[0]))

    def _may_create_many(self, name: str, signers: list[str], made: Any, *_: Any) -> bool:
        people, _control, _shop, all_sign = made
        return bool(all_sign) and not any(one in self.entries for one in people)

    def _may_update(self, name: str, signers: list[str], version: tuple[int, bytes], shop: str, _: Any) -> bool:
        return self._may_change(name, signers, version)

    def _may_rotate(self, name: str, signers: list[str], version: tuple[int, bytes], keys: dict[str, bool], _: Any) -> bool:
        return self._may_change(name, signers, version) and (any(keys.values()) or bool(self.entries[name].control[0]))

    def _may_set_control(self, name: str, signers: list[str], version: tuple[int, bytes], control: Any, _: Any) -> bool:
        if not self._may_change(name, signers, version):
            return False
        entry = self.entries[name]
        if entry.control[2] and entry.control[2:] != control[2:] and not self._recovers(name, signers):
            return False
        return any(entry.keys.values()) or bool(control[0])

    def _may_recover(self, name: str, signers: list[str], version: tuple[int, bytes], keys: dict[str, bool], _: Any) -> bool:
        if not self._is_open(name) or not self._recovers(name, signers) or not self._is_known(name, version):
            return False
        entry = self.entries[name]
        overrules = entry.pending is not None and self._are_all(name, signers) and not self._are_all(name, entry.pending[1])
        return (entry.pending is None or overrules) and any(keys.values())

    def _may_veto_recovery(self, name: str, signers: list[str], _: Any) -> bool:
        if not self._is_open(name) or not self._decides(name, signers):
            return False
        entry = self.entries[name]
        return entry.pending is not None and not self._are_all(name, entry.pending[1])

    def _may_finish_recovery(self, name: str, signers: list[str], _: Any) -> bool:
        if not self._is_open(name):
            return False
        entry = self.entries[name]
        return entry.pending is not None and self.world.next_ms >= entry.pending[2] and self.world.height + 1 > entry.height

    def _may_deactivate(self, name: str, signers: list[str], version: tuple[int, bytes], _: Any) -> bool:
        if self._is_open(name) and self._recovers(name, signers):
            return self._is_known(name, version) and self.world.height + 1 > self.entries[name].height
        return self._may_change(name, signers, version) and self.entries[name].pending is None

    # What becomes of it

    def _wrote(self, name: str) -> None:
        entry = self.entries[name]
        assert not entry.values or self.world.height > entry.height
        value = self.world.value(NAME, identity_key(did(name)))
        assert value is not None
        entry.values.append(value)
        entry.height = self.world.height

    def _do_create(self, name: str, signers: list[str], made: Any, _: Any) -> None:
        keys, control, shop = made
        self.entries[name] = Entry(keys, control, shop, self.world.height)
        self._wrote(name)

    def _do_create_many(self, name: str, signers: list[str], made: Any, *_: Any) -> None:
        people, control, shop, _all_sign = made
        for one in people:
            self.entries[one] = Entry({one: True}, control, shop, self.world.height)
            self._wrote(one)

    def _do_update(self, name: str, signers: list[str], version: Any, shop: str, _: Any) -> None:
        self.entries[name].shop = shop
        self._wrote(name)

    def _do_rotate(self, name: str, signers: list[str], version: Any, keys: dict[str, bool], _: Any) -> None:
        self.entries[name].keys = keys
        self._wrote(name)

    def _do_set_control(self, name: str, signers: list[str], version: Any, control: Any, _: Any) -> None:
        self.entries[name].control = control
        self._wrote(name)

    def _do_recover(self, name: str, signers: list[str], version: Any, keys: dict[str, bool], _: Any) -> None:
        asked = [one for one in self.entries[name].control[2].split() if one in signers]
        self.entries[name].pending = keys, asked, self.world.time_ms + HOUR_MS

    def _do_veto_recovery(self, name: str, signers: list[str], _: Any) -> None:
        self.entries[name].pending = None

    def _do_finish_recovery(self, name: str, signers: list[str], _: Any) -> None:
        entry = self.entries[name]
        assert entry.pending is not None
        entry.keys, entry.pending, entry.control = entry.pending[0], None, ("", 1, *entry.control[2:])
        self._wrote(name)

    def _do_deactivate(self, name: str, signers: list[str], version: Any, _: Any) -> None:
        entry = self.entries[name]
        entry.keys, entry.shop, entry.is_active, entry.pending = {}, "", False, None
        self._wrote(name)

    # The ledger, from its records alone

    def check_inv_33_to_37(self) -> None:
        """Who speaks, what the document says, that its past is one line, and what is pending."""
        for name in PEOPLE:
            for key in KEYS:
                assert may_sign(self.world.state, did(name), "e", key_of(key).public) is self.speaks(name, key), (name, key)
            entry = self.entries.get(name)
            value, pending = self.world.value(NAME, identity_key(did(name))), recovery(self.world.state, did(name))
            if entry is None:
                assert value is None and pending is None
                continue
            assert value == entry.values[-1] and old_version(self.world.state, did(name), len(entry.values)) is None
            found = record.decode_identity(value)
            assert found.is_active is entry.is_active
            facts = facts_of(entry.shop) if entry.is_active else Facts()
            assert found.document == Document(methods_of_map(entry), control_of(*entry.control), facts)
            assert (pending is None) is (entry.pending is None)
            if pending is not None and entry.pending is not None:
                assert [one.fragment for one in pending.methods] == list(entry.pending[0])
                assert pending.asked_by == tuple(map(did, entry.pending[1])) and pending.ready_ms == entry.pending[2]
            self._check_inv_34_and_35_line(name, entry)

    def _check_inv_34_and_35_line(self, name: str, entry: Entry) -> None:
        previous, height = b"", 0
        for sequence, value in enumerate(entry.values, start=1):
            one = record.decode_identity(value)
            assert (one.sequence, one.previous) == (sequence, previous) and one.height > height  # INV-34, INV-35
            if sequence < len(entry.values):
                old, later = old_version(self.world.state, did(name), sequence), record.decode_identity(entry.values[sequence])
                assert old is not None and old.identity == one
                assert (old.until_height, old.until_ms) == (later.height, later.time_ms)
                assert one.is_active  # INV-36: nothing follows the end
            previous, height = sha256(value).digest(), one.height


def methods_of(keys: dict[str, bool]) -> tuple[record.Method, ...]:
    """Keys by name, some of which sign."""
    return tuple(method_of(key, purposes=SIGNING if signs else AUTHENTICATION) for key, signs in keys.items())


def methods_of_map(entry: Entry) -> tuple[record.Method, ...]:
    """The keys of an entry; a device's own key has another name."""
    by_batch = entry.values and record.decode_identity(entry.values[-1]).document.methods[:1]
    if by_batch and by_batch[0].fragment == "key-1":
        return tuple(record.Method("key-1", "e", key_of(key).public, SIGNING) for key in entry.keys)
    return methods_of(entry.keys)


def facts_of(shop: str) -> Facts:
    """Facts that differ."""
    return Facts((Service("shop", "LinkedDomains", f"https://{shop}.example"),))


class RegistryMachine(RuleBasedStateMachine):
    """Few steps of each run, which Hypothesis shortens when one fails."""

    def __init__(self) -> None:
        super().__init__()
        self.model = RegistryModel()

    @rule(dice=st.randoms(use_true_random=True))
    def attempt(self, dice: Random) -> None:
        """Contract and model decide by themselves, and must agree."""
        self.model.attempt(dice)

    @invariant()
    def check(self) -> None:
        """The ledger is as the model says."""
        self.model.check_inv_33_to_37()


TestRegistry = RegistryMachine.TestCase
TestRegistry.settings = settings(stateful_step_count=20)


@pytest.mark.parametrize("seed", range(4))
def test_inv_33_inv_34_inv_35_inv_36_inv_37_on_a_long_walk(seed: int) -> None:
    dice, model = Random(seed), RegistryModel()
    for step in range(300):
        try:
            model.attempt(dice)
            model.check_inv_33_to_37()
        except Exception as error:
            error.add_note(f"seed {seed}, step {step}")
            raise


def test_walks_go_everywhere() -> None:
    """Every method succeeds somewhere on the walks, or they would show nothing of it."""
    accepted: dict[str, int] = {}
    for seed in range(6):
        dice, model = Random(seed), RegistryModel()
        for _ in range(300):
            model.attempt(dice)
        for method, count in model.accepted.items():
            accepted[method] = accepted.get(method, 0) + count
    assert set(accepted) == set(METHODS) and min(accepted.values()) >= 3
