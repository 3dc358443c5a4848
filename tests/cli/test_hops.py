"""The story's proofs of two hops: which header is anchored by what, and halves that fit."""

import json
from types import SimpleNamespace

import pytest

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.cli import hops
from chainnode.errors import Malformed
from chainnode.foreign.tendermintbytes import decode_header
from chainnode.types.bundle import AnchoredFact
from chainnode.types.codes import BAD_BUNDLE
from tests.anchor_world import AC, make_anchor_world


class FakeMain:
    """The main chain of the world: answers with one bundle, and keeps what is submitted."""

    name, no_older = "the main chain", "min_height=5"

    def __init__(self, bundle) -> None:
        self.text, self.asked, self.calls = bundle_to_json(bundle), [], []

    def bundle(self, path: str) -> str:
        self.asked.append(path)
        return self.text

    def apply(self, calls, *signers):
        self.calls, self.signers = calls, signers
        return SimpleNamespace(height=7)


@pytest.fixture(scope="module")
def two():
    return make_anchor_world()


def city_of(two) -> SimpleNamespace:
    return SimpleNamespace(ac=AC, genesis=two.city.genesis, super_node=lambda: "operator")


def test_both_halves_make_a_bundle_that_the_main_chains_genesis_verifies(two) -> None:
    half = two.city.presence()
    made = bundle_from_json(hops.two_hops(main := FakeMain(two.anchor()), city_of(two), bundle_to_json(half)))
    fact = verify_bundle(made, two.main.genesis, two.main.now_ns).fact
    assert isinstance(fact, AnchoredFact) and fact.ac == AC and fact.header == half.headers[-1].header
    assert main.asked == [f"/v1/chains/{AC}/anchor?height={half.headers[-1].header.height}&min_height=5"]


def test_halves_that_do_not_fit_are_refused(two) -> None:
    with pytest.raises(Malformed) as raised:
        hops.two_hops(FakeMain(two.anchor(2)), city_of(two), bundle_to_json(two.city.presence()))
    assert raised.value.code is BAD_BUNDLE
    with pytest.raises(Malformed) as raised:
        hops.held(FakeMain(two.main.presence()), city_of(two), 1)
    assert raised.value.code is BAD_BUNDLE and json.loads(FakeMain(two.anchor()).text)


def test_headers_are_anchored_on_the_lowest_that_is_held_in_one_transaction_by_the_operator(two) -> None:
    main, blocks = FakeMain(two.anchor(2)), two.city.presence().headers[-1:]
    assert hops.anchor(main, city_of(two), blocks) == 7
    (call,) = main.calls
    assert (call.contract, call.method, call.arguments[0], main.signers) == ("clients", "update", "07-tendermint-0", ("operator",))
    message = decode_header(call.arguments[1])
    assert (message.block, message.trusted_height.height, message.trusted_validators) == (blocks[0], 2, blocks[0].validators)
    assert main.asked == [f"/v1/chains/{AC}/anchor?height=1&min_height=5"]
