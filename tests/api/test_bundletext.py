"""Texts of bundles are the same whether their headers were written before or not, and not many are kept."""

from dataclasses import replace

from chainnode.api.bundletext import BundleTexts
from chainnode.bundlejson import bundle_to_json
from chainnode.node.prover import Prover
from chainnode.types.limits import PATHS_KEPT_MAX
from tests.node.small_chain import SmallChain, batch, transaction


def test_a_kept_text_is_that_of_these_headers_and_no_others() -> None:
    small = SmallChain.open()
    for number in range(1, 6):
        small.decide(batch(transaction(number)))
    prover, texts = Prover(small.chain), BundleTexts()
    bundles = [prover.state("evidence", key, height) for height in (1, 2, 3) for key in (b"log", b"none")]
    assert bundles[0].headers is bundles[1].headers  # else nothing is won
    for _ in range(2):
        for bundle in bundles:
            assert texts.text_of(bundle) == bundle_to_json(bundle)
    for _ in range(3 * PATHS_KEPT_MAX):  # places in memory are used again by other headers
        bundle = replace(bundles[0], headers=(*bundles[2].headers,))
        assert texts.text_of(bundle) == bundle_to_json(bundle)
        bundle = replace(bundles[0], headers=(*bundles[4].headers,))
        assert texts.text_of(bundle) == bundle_to_json(bundle)
    assert len(texts._kept) <= PATHS_KEPT_MAX
