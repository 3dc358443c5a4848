"""The relay's settings: the template is one, and each mistake is named."""

import tomllib
from pathlib import Path

import pytest

from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Malformed
from chainnode.genesisfile import genesis_to_json
from chainnode.relay.families import FAMILIES, make_chain
from chainnode.relay.relay import make_relay
from chainnode.relay.settings import TEMPLATE, ChainTable, load_settings, read_settings, render_settings
from chainnode.types.codes import BAD_CONFIG
from chainnode.types.limits import BUNDLE_LINKS_MAX, RELAY_ANCHOR_HEIGHTS, RELAY_PROVABLE_HEIGHTS
from tests.chain_maker import key_of, make_genesis

GOOD = tomllib.loads(TEMPLATE)


def open_key(path: Path) -> PrivateKey:
    assert path.name == "relay.json"
    return key_of("relay")


def changed(table: str, **settings: object) -> dict[str, object]:
    """The template with other settings in one table; None takes one away."""
    document = tomllib.loads(TEMPLATE)
    target = document["routes"][0] if table == "routes" else document["chains"][table] if table in document["chains"] else document[table]
    for name, value in settings.items():
        if value is None:
            del target[name]
        else:
            target[name] = value
    return document


def test_the_template_is_a_settings_file(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text(TEMPLATE)
    for name in ("main", "grain"):
        (tmp_path / f"{name}-genesis.json").write_text(genesis_to_json(make_genesis({"one": 1}, chain_id=f"{name}-1")))
    settings = load_settings(tmp_path / "relay.toml")
    assert settings.listen == "127.0.0.1:26690" and settings.progress == tmp_path / "progress.json" and settings.passphrase_file is None
    relay = make_relay(settings, open_key)
    assert [chain.chain_id for chain in relay.chains.values()] == ["main-1", "grain-1"] and relay.routes[0].name == "main-grain"


def test_headers_are_carried_over_by_time_and_by_heights_of_each_route() -> None:
    def schedules(document: dict[str, object]) -> list[tuple[int, int]]:
        return [(one.anchor_interval_s, one.anchor_heights) for one in read_settings(document, Path("x")).routes]

    assert schedules(changed("relay", anchor_interval_s=None, anchor_heights=None)) == schedules(GOOD) == [(60, RELAY_ANCHOR_HEIGHTS)]
    assert schedules(changed("relay", anchor_interval_s=7, anchor_heights=10)) == [(7, 10)]
    assert schedules(changed("routes", anchor_interval_s=8, anchor_heights=0)) == [(8, 0)]
    assert RELAY_ANCHOR_HEIGHTS * 2 == RELAY_PROVABLE_HEIGHTS and RELAY_ANCHOR_HEIGHTS < BUNDLE_LINKS_MAX


def test_a_route_is_made_with_its_schedule(tmp_path: Path) -> None:
    for name in ("main", "grain"):
        (tmp_path / f"{name}-genesis.json").write_text(genesis_to_json(make_genesis({"one": 1}, chain_id=f"{name}-1")))
    relay = make_relay(read_settings(changed("routes", anchor_interval_s=8, anchor_heights=12), tmp_path), open_key)
    assert [(one.anchor_interval_ns, one.anchor_heights) for one in relay.routes] == [(8_000_000_000, 12)]


def test_the_comments_of_the_template_are_settings_too() -> None:
    plain = "\n".join(
        line.removeprefix("# ") if (line.startswith(("# [", "# ")) and "=" in line) or line.startswith("# [") else line
        for line in TEMPLATE.splitlines()
    )
    document = tomllib.loads(
        plain.replace("[chains.hub]", '[chains.metal]\nfamily = "chainnode"\nendpoints = ["http://m:1"]\n[chains.hub]')
    )
    settings = read_settings(document, Path("x"))
    assert [(one.hub, one.b_client, one.packets) for one in settings.routes] == [
        (None, "07-tendermint-0", True),
        ("main", "20-anchored-1", True),
        (None, "", False),
    ]


@pytest.mark.parametrize(
    "document, said",
    [
        ({}, "tables"),
        ({**GOOD, "more": {}}, "'more'"),
        (changed("relay", lisen="x"), "'lisen'"),
        (changed("relay", listen="nonsense"), "listen"),
        (changed("relay", listen="127.0.0.1:65536"), "listen"),
        (changed("relay", poll_ms=10), "poll_ms"),
        (changed("relay", poll_ms=True), "poll_ms"),
        (changed("relay", anchor_interval_s=0), "anchor_interval_s"),
        (changed("relay", anchor_heights=9), "anchor_heights"),
        (changed("relay", anchor_heights=-1), "anchor_heights"),
        (changed("routes", anchor_heights=1_000_001), "anchor_heights"),
        (changed("relay", log_level="loud"), "log_level"),
        (changed("routes", a="nowhere"), "nowhere"),
        (changed("routes", a="grain"), "two chains"),
        (changed("routes", hub="main"), "hub"),
        (changed("routes", a_client=None), "a_client"),
        (changed("routes", packets="yes"), "packets"),
        (changed("routes", b_client=None, packets=True), "b_client"),
        (changed("routes", client="x"), "'client'"),
        ({**GOOD, "routes": [GOOD["routes"][0]] * 2}, "one name"),
        ({**GOOD, "chains": {"main": GOOD["chains"]["main"]}}, "tables"),
    ],
)
def test_each_mistake_is_named(document: dict[str, object], said: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_settings(document, Path("x"))
    assert caught.value.code == BAD_CONFIG and said in caught.value.detail


@pytest.mark.parametrize(
    "table, said",
    [
        ({"family": "besu"}, "family"),
        ({"family": "chainnode"}, "genesis"),
        ({"family": "chainnode", "genesis": "none.json"}, "none.json"),
        ({"family": "chainnode", "chain_id": "x"}, "'chain_id'"),
        ({"family": "cometbft", "trusted_hash": "07"}, "trusted_hash"),
        (
            {
                "family": "cometbft",
                "trusted_hash": "07" * 32,
                "chain_id": "x-1",
                "trusted_height": -1,
                "trusting_period_s": 9,
                "endpoints": ["http://x"],
            },
            "trusted_height",
        ),
        (
            {
                "family": "cometbft",
                "trusted_hash": "07" * 32,
                "chain_id": "x-1",
                "trusted_height": 1,
                "trusting_period_s": 9,
                "endpoints": ["x:1"],
            },
            "endpoints",
        ),
        (
            {
                "family": "cometbft",
                "trusted_hash": "07" * 32,
                "chain_id": "x-1",
                "trusted_height": 1,
                "trusting_period_s": 9,
                "endpoints": [],
            },
            "endpoints",
        ),
        (
            {
                "family": "cometbft",
                "trusted_hash": "07" * 32,
                "chain_id": "x-1",
                "trusted_height": 1,
                "trusting_period_s": 0,
                "endpoints": ["http://x"],
            },
            "trusting_period_s is at least 1",
        ),
    ],
)
def test_each_mistake_in_the_table_of_a_chain_is_named(table: dict[str, object], said: str, tmp_path: Path) -> None:
    settings = read_settings({**GOOD, "chains": {**GOOD["chains"], "odd": table}}, tmp_path)
    with pytest.raises(Malformed) as caught:
        make_chain(settings.chains[-1], open_key)
    assert caught.value.code == BAD_CONFIG and said in caught.value.detail and "[chains.odd]" in caught.value.detail


def test_a_file_that_a_program_writes_is_read_again() -> None:
    text = render_settings(GOOD["relay"], {**GOOD["chains"], "a name": GOOD["chains"]["main"]}, GOOD["routes"])
    document = tomllib.loads(text)
    assert document == {**GOOD, "chains": {**GOOD["chains"], "a name": GOOD["chains"]["main"]}}
    assert read_settings(document, Path("x")).chains[-1].name == "a name"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed) as caught:
        load_settings(tmp_path / "none.toml")
    assert "none.toml" in caught.value.detail


def test_a_chain_of_others_needs_no_key(tmp_path: Path) -> None:
    table = {
        "family": "cometbft",
        "trusted_hash": "07" * 32,
        "chain_id": "hub-4",
        "trusted_height": 1,
        "trusting_period_s": 9,
        "endpoints": ["http://x"],
    }
    settings = read_settings({**GOOD, "chains": {**GOOD["chains"], "hub": table}}, tmp_path)
    assert make_chain(settings.chains[-1], open_key).revision == 4 and "cometbft" in FAMILIES


def test_a_did_that_is_none_is_named_with_its_chain(tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_text(genesis_to_json(make_genesis({"one": 1})))
    table = {"family": "chainnode", "genesis": "genesis.json", "key": "k", "did": "x", "endpoints": ["http://x"]}
    with pytest.raises(Malformed) as caught:
        make_chain(ChainTable("odd", tmp_path, table), lambda path: key_of("relay"))
    assert caught.value.code == BAD_CONFIG and caught.value.detail.startswith("[chains.odd] did: ")
