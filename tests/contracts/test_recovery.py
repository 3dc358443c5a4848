"""Recovery of a DID by hand: who asks, who may object, what a thief of its keys can not do."""

from typing import Any

import pytest

from chainnode.did import record
from chainnode.did.record import Control, Document, Facts, Service
from contracts.identityrecords import NAME, recovery_key
from tests.contracts.council import EVIDENCE, did
from tests.contracts.identity_world import CHANGES, HOUR_MS, NO_SIGNING, SHOP, Registry, control_of, method_of, methods


@pytest.fixture
def world() -> Registry:
    return Registry()


def recoverable(world: Registry, recovery: str = "ada ben cas", threshold: int = 2, **control: Any) -> None:
    """A device that lost its keys."""
    world.create("dev", control=control_of(recovery=recovery, recovery_threshold=threshold, **control))


def test_recovery_brings_new_keys_after_its_delay(world: Registry) -> None:
    recoverable(world, controllers="eve", delay_ms=5 * HOUR_MS)
    asked = world.recover("mia cas ada", "dev", "new")
    assert asked == world.time_ms + 5 * HOUR_MS and world.is_recovering("dev")
    assert world.events[0].name == "recovery_asked"
    assert world.events[0].attributes == {"did": did("dev"), "by": (did("ada"), did("cas")), "ready_ms": asked}
    pending = record.decode_recovery(world.value(NAME, recovery_key(did("dev"))) or b"")
    assert pending == record.Recovery(did("dev"), 1, (method_of("new"),), (did("ada"), did("cas")), world.height, asked)
    assert world.speaking("dev", "dev", "new") == ["dev"]
    world.wait_until(asked - 1)
    world.refused("recovery-early", "mia", "identity.finish_recovery", did("dev"))
    world.wait_until(asked)
    assert world.do(["mia"], "identity.finish_recovery", did("dev")) == 2
    assert world.event_names() == ["recovery_finished", "identity_changed"]
    assert world.speaking("dev", "dev", "new") == ["new"] and not world.is_recovering("dev")
    # Controllers go: who held their keys is not asked any more. Recovery stays.
    control = control_of(recovery="ada ben cas", recovery_threshold=2, delay_ms=5 * HOUR_MS)
    assert world.found("dev").document == Document((method_of("new"),), control)
    assert world.old("dev", 1).until_ms == world.time_ms
    world.refused("no-recovery", "mia", "identity.finish_recovery", did("dev"))
    world.rotate("mia dev", "dev", "next")


def test_inv_33_a_quorum_of_the_recovery_dids_asks(world: Registry) -> None:
    recoverable(world)
    for signers in ("mia", "mia dev", "ada", "ada dan dev", "mia cas"):
        world.refused("signer-missing", signers, "identity.recover", *world.current("dev"), methods("new"))
    world.create("car")
    world.refused("no-recovery", "mia car", "identity.recover", *world.current("car"), methods("new"))
    world.recover("ben cas", "dev", "new")
    world.refused("recovery-pending", "ben cas", "identity.recover", *world.current("dev"), methods("new"))


@pytest.mark.parametrize(
    "code, wanted", [("no-keys", ()), ("no-keys", NO_SIGNING), ("bad-document", None), ("bad-document", methods("a", "a"))]
)
def test_recovery_asks_for_keys_that_can_sign(world: Registry, code: str, wanted: Any) -> None:
    recoverable(world, controllers="eve")
    world.refused(code, "ada ben", "identity.recover", *world.current("dev"), wanted)


def test_inv_22_recovery_names_a_version_of_this_did(world: Registry) -> None:
    recoverable(world)
    first = world.current("dev")
    world.rotate("mia dev", "dev", "thief")
    for sequence, digest in (
        (1, EVIDENCE),
        (2, first[2]),
        (3, world.current("dev")[2]),
        (0, first[2]),
        (-1, first[2]),
        (2**64 - 1, first[2]),
    ):
        world.refused("stale-version", "ada ben", "identity.recover", did("dev"), sequence, digest, methods("new"))
        world.refused("stale-version", "ada ben", "identity.deactivate", did("dev"), sequence, digest)
    world.do(["ada", "ben"], "identity.recover", *first, methods("new"))  # who changes it in every block does not outrun this


def test_controllers_veto_what_a_part_of_the_recovery_dids_asks(world: Registry) -> None:
    recoverable(world)
    asked = world.recover("ada ben", "dev", "new")
    world.refused("signer-missing", "mia ada ben cas", "identity.veto_recovery", did("dev"))
    world.do(["mia", "dev"], "identity.veto_recovery", did("dev"))
    assert world.event_names() == ["recovery_vetoed"]
    world.wait_until(asked)
    for method in ("veto_recovery", "finish_recovery"):
        world.refused("no-recovery", "mia dev", f"identity.{method}", did("dev"))
    asked = world.recover("ada ben", "dev", "new")  # they may ask again, and be vetoed until somebody finishes it
    world.wait_until(asked + HOUR_MS)
    world.do(["mia", "dev"], "identity.veto_recovery", did("dev"))
    assert world.speaking("dev", "dev", "new") == ["dev"]


def test_inv_37_nobody_vetoes_what_all_ask_when_fewer_were_enough(world: Registry) -> None:
    recoverable(world)
    asked = world.recover("ada ben cas", "dev", "new")
    world.refused("no-veto", "mia dev", "identity.veto_recovery", did("dev"))
    world.wait_until(asked)
    world.refused("no-veto", "mia dev", "identity.veto_recovery", did("dev"))
    world.do(["mia"], "identity.finish_recovery", did("dev"))
    assert world.speaking("dev", "dev", "new") == ["new"]


def test_inv_37_all_overrule_what_a_part_of_them_asked_before(world: Registry) -> None:
    """The controllers' keys are lost, so nobody vetoes, and whoever stole one recovery key was first to ask."""
    recoverable(world, "ada ben cas", 1)
    world.recover("mia cas", "dev", "thief")
    for signers in ("mia ada ben", "mia cas"):
        world.refused("recovery-pending", signers, "identity.recover", *world.current("dev"), methods("new"))
    ready_ms = world.recover("mia ada ben cas", "dev", "new")
    world.refused("recovery-pending", "mia ada ben cas", "identity.recover", *world.current("dev"), methods("thief"))
    world.refused("recovery-early", "mia", "identity.finish_recovery", did("dev"))
    world.wait_until(ready_ms)
    world.do(["mia"], "identity.finish_recovery", did("dev"))
    assert world.speaking("dev", "thief", "new") == ["new"]
    recoverable(world := Registry(), "ada ben", 2)  # where all are needed, all are no more than a part
    world.recover("ada ben", "dev", "new")
    world.refused("recovery-pending", "mia ada ben", "identity.recover", *world.current("dev"), methods("new"))


def test_two_quorums_and_a_sponsor_can_sign_one_transaction(world: Registry) -> None:
    """Else nobody could change the recovery ever again."""
    controllers, friends = [f"c{number}" for number in range(7)], [f"f{number}" for number in range(8)]
    largest = {"controllers": " ".join(controllers), "recovery": " ".join([*friends, "f9"]), "recovery_threshold": 8}
    world.create("dev", control=control_of(threshold=7, **largest))
    world.set_control(" ".join(["mia", *controllers, *friends]), "dev", Control())
    too_large = record.document_value(Document((method_of("car"),), control_of(threshold=7, **(largest | {"recovery_threshold": 9}))))
    world.refused("bad-document", "mia car", "identity.create", did("car"), too_large)
    alone = {"recovery": " ".join(f"f{number}" for number in range(15)), "recovery_threshold": 14}
    world.create("car", control=control_of(**alone))
    more = record.control_value(control_of(**(alone | {"recovery_threshold": 15})))
    world.refused("bad-document", "mia dev", "identity.set_control", *world.current("dev"), more)
    without = control_of(" ".join(f"c{number}" for number in range(15)), 15)
    world.set_control("mia dev", "dev", without)


def test_recovery_that_was_given_up_meanwhile_is_vetoed_too(world: Registry) -> None:
    recoverable(world)
    world.recover("ada ben cas", "dev", "new")
    world.set_control("mia dev ada ben", "dev", Control())
    world.do(["mia", "dev"], "identity.veto_recovery", did("dev"))


@pytest.mark.parametrize("recovery, threshold", [("ada", 1), ("ada ben", 2), ("ada ben cas", 3)])
def test_controllers_keep_the_last_word_where_all_are_needed(world: Registry, recovery: str, threshold: int) -> None:
    recoverable(world, recovery, threshold)
    world.recover(recovery, "dev", "new")
    world.do(["mia", "dev"], "identity.veto_recovery", did("dev"))
    assert not world.is_recovering("dev")


def test_inv_37_a_thief_does_not_get_rid_of_the_recovery_dids(world: Registry) -> None:
    recoverable(world)
    for control in (
        Control(),
        control_of(recovery="eve", recovery_threshold=1),
        control_of(recovery="ada ben", recovery_threshold=2),
        control_of(recovery="ben ada cas", recovery_threshold=2),
        control_of(recovery="ada ben cas", recovery_threshold=3),
        control_of(recovery="ada ben cas", recovery_threshold=2, delay_ms=2 * HOUR_MS),
    ):
        for signers in ("mia dev", "dan dev", "ada dev"):
            world.refused("signer-missing", signers, "identity.set_control", *world.current("dev"), record.control_value(control))
        world.refused("signer-missing", "ada ben cas", "identity.set_control", *world.current("dev"), record.control_value(control))
    world.set_control("mia dev", "dev", control_of("eve", recovery="ada ben cas", recovery_threshold=2))  # the rest is the controllers'
    world.set_control("ada cas eve", "dev", control_of("eve", recovery="dan"))


def test_inv_37_a_service_with_the_name_of_a_new_key_does_not_stop_a_recovery(world: Registry) -> None:
    recoverable(world)
    ready_ms = world.recover("mia ada ben", "dev", "new")
    files = Service("files", "Storage", "https://files.example")
    facts = Facts((Service("new", "Storage", "https://thief.example"), files), ((103, "https://dev.example"),))
    world.do(["mia", "dev"], "identity.update", *world.current("dev"), record.facts_value(facts))
    world.wait_until(ready_ms)
    world.do(["mia"], "identity.finish_recovery", did("dev"))
    assert world.found("dev").document.methods == (method_of("new"),)
    assert world.found("dev").document.facts == Facts((files,), facts.also_known_as), "what clashes goes, and nothing else"
    recoverable(world := Registry())
    world.do(["mia", "dev"], "identity.update", *world.current("dev"), record.facts_value(facts))
    world.recover("mia ada ben", "dev", "new")  # a thief who sees it come does not stop it either


def test_inv_37_changes_do_not_stop_a_recovery_and_end_when_it_is_ready(world: Registry) -> None:
    recoverable(world)
    asked = world.recover("ada ben", "dev", "new")
    world.rotate("mia dev", "dev", "thief")
    world.do(["mia", "dev"], "identity.update", *world.current("dev"), record.facts_value(SHOP))
    world.set_control("mia dev", "dev", control_of("eve", recovery="ada ben cas", recovery_threshold=2))
    world.refused("recovery-pending", "mia eve", "identity.deactivate", *world.current("dev"))
    world.wait_until(asked)
    for method, arguments in CHANGES.items():
        world.refused("recovery-pending", "mia eve", f"identity.{method}", *world.current("dev"), *arguments)
    assert world.do(["mia"], "identity.finish_recovery", did("dev")) == 5
    assert world.speaking("dev", "dev", "thief", "new") == ["new"]
    assert world.found("dev").document == Document((method_of("new"),), control_of(recovery="ada ben cas", recovery_threshold=2), SHOP)


def test_changes_go_on_until_a_recovery_is_ready(world: Registry) -> None:
    recoverable(world)
    asked = world.recover("ada ben", "dev", "new")
    world.wait_until(asked - 1)
    world.rotate("mia dev", "dev", "next")


def test_inv_35_a_recovery_is_finished_in_a_block_of_its_own(world: Registry) -> None:
    recoverable(world)
    asked = world.recover("ada ben", "dev", "new")
    world.wait_until(asked - 1)
    world.rotate("mia dev", "dev", "next")
    world.wait_until(asked + 1_000)
    world.refused_same_height("changed-this-block", "mia", "identity.finish_recovery", did("dev"))
    world.do(["mia"], "identity.finish_recovery", did("dev"))


def test_the_recovery_quorum_ends_an_identifier_whatever_is_pending(world: Registry) -> None:
    recoverable(world)
    first = world.current("dev")
    asked = world.recover("ada ben", "dev", "new")
    world.rotate("mia dev", "dev", "thief")
    world.refused("signer-missing", "mia ben", "identity.deactivate", *first)
    assert world.do(["mia", "ben", "cas"], "identity.deactivate", *first) == 3
    assert not world.is_recovering("dev")
    world.wait_until(asked)
    world.refused("deactivated", "mia", "identity.finish_recovery", did("dev"))
