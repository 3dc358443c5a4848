"""genesis.json: read strictly, written in one layout, hashed by meaning; every error names its member."""

import copy
import json
from dataclasses import fields, replace

import pytest

from chainnode import genesisfile
from chainnode.bid import did_of
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed
from chainnode.genesisfile import PARAM_BOUNDS, check_chain_id, check_genesis, check_params, genesis_from_json, genesis_to_json
from chainnode.types.block import KeyType
from chainnode.types.codes import BAD_GENESIS
from chainnode.types.genesis import ChainParams, GenesisGrant
from chainnode.types.limits import GENESIS_BYTES_MAX, GENESIS_GRANTS_MAX, VALIDATORS_MAX
from tests.chain_maker import key_of, make_genesis

DID = did_of("e", key_of("member").public)
GENESIS = replace(
    make_genesis({"a": 10, "b": 20}), grants=(GenesisGrant(DID, "member", 0), GenesisGrant(DID, "business", 1_800_000_000_000))
)
DOCUMENT = json.loads(genesis_to_json(GENESIS))


def changed(*path, value=None, remove=False) -> str:
    """The text of DOCUMENT with one member set or removed."""
    document = copy.deepcopy(DOCUMENT)
    target = document
    for step in path[:-1]:
        target = target[step]
    if remove:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return json.dumps(document)


def refuse(text: str, match: str) -> None:
    with pytest.raises(Malformed, match=match) as caught:
        genesis_from_json(text)
    assert caught.value.code == BAD_GENESIS


@pytest.mark.parametrize("suite", ["e", "s"])
def test_a_genesis_is_read_back(suite):
    genesis = replace(GENESIS, validators=make_genesis({"a": 10, "b": 20}, suite=suite).validators)
    text = genesis_to_json(genesis)
    assert genesis_from_json(text) == genesis
    assert genesis_to_json(genesis_from_json(text)) == text
    assert text.endswith("}\n")
    assert [one.public_key.type for one in genesis.validators] == [{"e": KeyType.ED25519, "s": KeyType.SECP256K1}[suite]] * 2


def test_the_hash_is_over_what_the_text_means():
    loose = json.dumps(dict(reversed(DOCUMENT.items())), indent=7)
    assert genesis_hash(genesis_from_json(loose)) == genesis_hash(GENESIS)
    assert genesis_from_json(changed("params", value={})).params == ChainParams()
    assert genesis_hash(genesis_from_json(changed("params", value={}))) == genesis_hash(GENESIS)


def test_every_member_changes_the_hash():
    validator, grant = GENESIS.validators[0], GENESIS.grants[0]
    other = GENESIS.validators[1]
    changes = [
        {"chain_id": "test-2"},
        {"time_ns": GENESIS.time_ns + 1},
        {"validators": GENESIS.validators[::-1]},
        {"grants": GENESIS.grants[::-1]},
    ]
    changes += [
        {"params": replace(GENESIS.params, **{field.name: getattr(GENESIS.params, field.name) + 1})} for field in fields(ChainParams)
    ]
    changes += [{"validators": (replace(validator, **{field.name: getattr(other, field.name)}),)} for field in fields(validator)]
    changes += [{"validators": (validator,)}, {"grants": (grant,)}]
    changes += [{"grants": (replace(grant, **one),)} for one in ({"did": "other"}, {"role": "super"}, {"expires_ms": 1})]
    hashes = {genesis_hash(GENESIS)} | {genesis_hash(replace(GENESIS, **change)) for change in changes}
    assert len(hashes) == 1 + len(changes)


@pytest.mark.parametrize(
    "path",
    [(name,) for name in DOCUMENT]
    + [("validators", 1, name) for name in DOCUMENT["validators"][1]]
    + [("grants", 0, name) for name in DOCUMENT["grants"][0]]
    + [("validators", 0, "public_key", "type")],
)
def test_every_member_is_needed_and_of_its_kind(path):
    refuse(changed(*path, remove=True), f"no member '{path[-1]}'")
    member = DOCUMENT
    for step in path:
        member = member[step]
    place = f"{path[0]}\\[{path[1]}\\]" if len(path) > 1 else path[0]
    for odd in (None, True, 5, "text", 1.5, [], {}):
        if type(odd) is not type(member):
            refuse(changed(*path, value=odd), place)


@pytest.mark.parametrize(
    "path", [("more",), ("params", "more"), ("validators", 0, "more"), ("validators", 0, "public_key", "more"), ("grants", 1, "more")]
)
def test_unknown_members_are_refused(path):
    refuse(changed(*path, value=1), "'more' that is not known")


@pytest.mark.parametrize("chain_id", ["main-1", "a-b-c-12", "0-9", "a" * 48 + "-1", "a--1"])
def test_chain_ids(chain_id):
    check_chain_id(chain_id)


@pytest.mark.parametrize(
    "chain_id",
    [
        "",
        "main",
        "main-",
        "main-0",
        "main-01",
        "-1",
        "Main-1",
        "main_1",
        "-main-1",
        "main-1\n",
        "main-1 ",
        "é-1",
        "main-١",
        "a" * 49 + "-1",
        "main-100000000",
    ],
)
def test_other_chain_ids_are_refused(chain_id):
    refuse(changed("chain_id", value=chain_id), "chain_id")


def test_a_chain_id_has_a_limit_by_itself():
    with pytest.raises(Malformed, match="chain_id"):
        check_chain_id("a" * 49 + "-1")


def test_a_member_stands_once():
    text = genesis_to_json(GENESIS)
    refuse(text.replace('"chain_id"', '"chain_id": "other-1", "chain_id"'), "twice")
    refuse(text.replace('"power"', '"power": 10, "power"', 1), "twice")


def test_every_parameter_has_bounds_that_hold_the_default():
    assert set(PARAM_BOUNDS) == {field.name for field in fields(ChainParams)}
    check_params(ChainParams())
    for name, (least, most) in PARAM_BOUNDS.items():
        for odd in (least - 1, most + 1):
            with pytest.raises(Malformed, match=f"params.{name}"):
                check_params(replace(ChainParams(), **{name: odd}))
            refuse(changed("params", name, value=odd), f"params.{name}")
        caps = {"timeout_ms_max": max(most, 1)} if name.startswith("timeout") and name != "timeout_ms_max" else {}
        check_params(replace(ChainParams(), **caps | {name: most}))
    check_params(replace(ChainParams(), **{name: least for name, (least, _) in PARAM_BOUNDS.items()}))


@pytest.mark.parametrize("change", [{"timeout_ms_max": 999}, {"timeout_vote_ms": 10_001}, {"timeout_propose_ms": 10_001}])
def test_the_cap_of_timeouts_is_not_below_them(change):
    with pytest.raises(Malformed, match="timeout_ms_max"):
        check_params(replace(ChainParams(), **change))


def test_inv_28_no_parameter_stops_the_chain_that_would_have_to_change_it():
    for name, too_little in (("precision_ms", 1), ("message_delay_ms", 1), ("timeout_ms_max", 1)):
        changes = {"timeout_propose_ms": 1, "timeout_vote_ms": 1, name: too_little}
        with pytest.raises(Malformed, match=name):
            check_params(replace(ChainParams(), **changes))
    check_params(replace(ChainParams(), tx_lifetime_ms_max=5_000, block_interval_ms=5_000))
    with pytest.raises(Malformed, match="tx_lifetime_ms_max"):
        check_params(replace(ChainParams(), tx_lifetime_ms_max=5_000, block_interval_ms=5_001))


@pytest.mark.parametrize("odd", [1.0, "500", True, None, -1, 2**63])
def test_a_parameter_is_a_whole_number(odd):
    refuse(changed("params", "precision_ms", value=odd), "params.precision_ms")


@pytest.mark.parametrize(
    "path, odd, match",
    [
        (("genesis_time",), "2026-11-25T08:00:00+08:00", "genesis_time"),
        (("genesis_time",), "1970-01-01T00:00:00Z", "genesis_time"),
        (("genesis_time",), "2262-12-31T00:00:00Z", "genesis_time"),
        (("validators",), [], "validators"),
        (("validators",), DOCUMENT["validators"][:1] * 2, "validators"),
        (("validators",), [None] * (VALIDATORS_MAX + 1), "validators has more"),
        (("validators", 1, "operator"), "did:example:1", "validators\\[1\\].operator"),
        (("validators", 1, "operator"), "did:bid:acsn", "validators\\[1\\].operator"),
        (("validators", 1, "name"), "", "validators\\[1\\].name"),
        (("validators", 1, "name"), "n" * 65, "validators\\[1\\].name"),
        (("validators", 1, "name"), "\ud800", "validators\\[1\\].name"),
        (("validators", 1, "power"), 0, "validators"),
        (("validators", 1, "power"), 2**61, "validators"),
        (("validators", 1, "node_key"), "00" * 31, "validators\\[1\\].node_key"),
        (("validators", 1, "node_key"), "zz" * 32, "validators\\[1\\].node_key"),
        (("validators", 1, "node_key"), "AB" * 32, "validators\\[1\\].node_key"),
        (("validators", 1, "node_key"), DOCUMENT["validators"][0]["node_key"], "node_key twice"),
        (("validators", 1, "public_key", "type"), "bls", "validators\\[1\\].public_key.type"),
        (("validators", 1, "public_key", "type"), "secp256k1", "validators"),
        (("validators", 1, "public_key", "value"), "00" * 31, "validators"),
        (("validators", 1, "public_key", "value"), "00" * 31 + "0", "validators\\[1\\].public_key.value"),
        (("grants",), [None] * (GENESIS_GRANTS_MAX + 1), "grants has more"),
        (("grants",), DOCUMENT["grants"][:1] * 2, "grants give one role twice"),
        (("grants", 1, "did"), "did:bid:xyz", "grants\\[1\\].did"),
        (("grants", 1, "role"), "", "grants\\[1\\].role"),
        (("grants", 1, "expires_ms"), -1, "grants\\[1\\].expires_ms"),
    ],
)
def test_an_error_names_its_member(path, odd, match):
    refuse(changed(*path, value=odd), match)


@pytest.mark.parametrize("address", ["127.0.0.1:26656", "node-1.example.org:1", "[::1]:65535", "a_b:80"])
def test_peer_addresses(address):
    assert genesis_from_json(changed("validators", 0, "peer_address", value=address)).validators[0].peer_address == address


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        ":80",
        "host:",
        "host:0",
        "host:65536",
        "host:080",
        "::1:80",
        "http://host:80",
        "host:80/",
        "ho st:80",
        "-a:80",
        "a" * 258 + ":80",
    ],
)
def test_other_peer_addresses_are_refused(address):
    refuse(changed("validators", 0, "peer_address", value=address), "validators\\[0\\].peer_address")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        "null",
        "[" * 100_000,
        '{"chain_id": NaN}',
        '{"chain_id": Infinity}',
        genesis_to_json(GENESIS) + "x",
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_object_in_json_is_refused(text):
    refuse(text, "the file")


def test_the_file_has_a_limit():
    text = genesis_to_json(GENESIS)
    assert genesis_from_json(text.ljust(GENESIS_BYTES_MAX)) == GENESIS
    refuse(text.ljust(GENESIS_BYTES_MAX + 1), "too long")


def test_a_genesis_that_was_made_is_checked_as_one_that_was_read():
    check_genesis(GENESIS)
    for change in (
        {"chain_id": "main"},
        {"time_ns": 0},
        {"time_ns": 2**63},
        {"validators": ()},
        {"params": replace(GENESIS.params, precision_ms=0)},
    ):
        with pytest.raises(Malformed) as caught:
            check_genesis(replace(GENESIS, **change))
        assert caught.value.code == BAD_GENESIS


def test_the_canonical_bytes_of_a_genesis_are_frozen():
    """They change with an ADR and a new chain only."""
    assert genesisfile.encode_genesis(GENESIS)[:10] == b"\x96\x01\xa6test-1\xcf"
    small = replace(GENESIS, params=replace(GENESIS.params, tx_bytes_max=524_288))  # the default when this was written down
    assert genesis_hash(small).hex() == "0f4daf0ad8d6e6d743fd7a8a3c8f095b4361a4985e5fe9a2c8a2298c1ee63a6d"
