"""Our frozen bundles: each in both forms, with the genesis file that it verifies under."""

import json
import re
from pathlib import Path

import pytest

from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import decode_bundle, encode_bundle
from chainnode.bundlejson import bundle_from_json, bundle_to_json
from chainnode.genesisfile import genesis_from_json
from chainnode.rfc3339 import time_from_text
from tests.vectors.bundle_stranger import json_of

HERE = Path(__file__).parent
PARTS = json.loads((HERE / "bundles.json").read_text(encoding="utf-8"))
CASES = [(part, name) for part, one in PARTS.items() for name in one["bundles"]]
EXAMPLE = PARTS["the example of docs/proof-bundle.md"]["bundles"]["presence"]
HEX_WIDTH = 73  # of the example on the page; what it means stands behind


def test_there_is_a_bundle_of_every_kind():
    kinds = {(one["json"]["kind"], *sorted(one["json"]["claim"])) for one in PARTS["every kind"]["bundles"].values()}
    assert len(kinds) == 5  # with and without a result, a transaction has the same members
    assert {one["json"]["kind"] for one in PARTS["two hops"]["bundles"].values()} == {"anchor", "anchored"}
    assert {one["json"]["kind"] for one in PARTS["two hops with links"]["bundles"].values()} == {"linked"}
    assert len(CASES) == 17


@pytest.mark.parametrize(("part", "name"), CASES)
def test_both_forms_are_those_of_the_bundle_and_it_verifies(part, name):
    one = PARTS[part]["bundles"][name]
    text, data = json.dumps(one["json"], separators=(",", ":")), bytes.fromhex(one["binary"])
    bundle = decode_bundle(data)
    assert bundle == bundle_from_json(text)
    assert (encode_bundle(bundle), bundle_to_json(bundle)) == (data, text)
    genesis = genesis_from_json(json.dumps(PARTS[part]["genesis"]))
    assert verify_bundle(bundle, genesis, time_from_text(PARTS[part]["now"])).height == bundle.headers[-1].header.height


@pytest.mark.parametrize(("part", "name"), CASES)
def test_a_stranger_reads_the_binary_form_by_the_page(part, name):
    one = PARTS[part]["bundles"][name]
    assert json_of(bytes.fromhex(one["binary"])) == one["json"]


def test_the_example_on_the_page_is_the_vector():
    page = (HERE.parents[1] / "docs" / "proof-bundle.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```\n(95 .*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert "".join(line[:HEX_WIDTH] for line in example.splitlines()).replace(" ", "") == EXAMPLE["binary"]
    sizes = f"{len(EXAMPLE['binary']) // 2} bytes, of which the JSON form makes {len(json.dumps(EXAMPLE['json'], separators=(',', ':'))):,}"
    assert sizes in page
