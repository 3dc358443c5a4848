"""A stranger's verifier of bundles, those of two hops too, from docs/proof-bundle.md alone, with hashlib, cryptography and msgpack.

None of our code is in it. It takes the JSON form as Python's json module reads it, chains of Ed25519 validators, and all kinds but
transactions, whose signatures are made over bytes of ours.
"""

import calendar
import time
from hashlib import sha256

import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NS = 10**9
HASHES = (
    *("last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash"),
    *("last_results_hash", "evidence_hash", "proposer_address"),
)
CLIENT_STATE = b"/ibc.lightclients.tendermint.v1.ClientState"


class Refused(Exception):
    """The bundle proves nothing."""


def require(condition, reason):
    if not condition:
        raise Refused(reason)


def verify(bundle, genesis, genesis_hash, now_ns):
    """What a bundle proves: (store, key, value or None), (index, size, leaf), (height,); for another chain with its number before it."""
    require(bundle["chain_id"] == genesis["chain_id"] and bundle["genesis_hash"] == genesis_hash, "another chain")
    last = follow(bundle["headers"], genesis, now_ns)
    kind, claim = bundle["kind"], bundle["claim"]
    if kind not in ("anchor", "anchored", "linked"):
        return fact_of(kind, claim, last)
    ac, chain_id, height, hash = anchor_of(claim, last)
    if kind == "anchor":
        return ac, height, hash
    require(
        claim["chain_id"] == chain_id and ("links" in claim) == (kind == "linked"), "a header of another chain, or links of another kind"
    )
    links = claim.get("links", [])
    require(len(links) <= 128, "too many links")
    for header in (*links, claim["header"]):
        require(int(header["height"]) == height, "a header of another height")
        require(header_hash(header, chain_id) == hash, "a header of another hash")
        height, hash = height - 1, bytes.fromhex(header["last_block_id"]["hash"])
    return ac, *fact_of(claim["kind"], claim["claim"], claim["header"])


# The way of trust


def follow(blocks, genesis, now_ns):
    """The last header of the path."""
    first = [{**one["public_key"], "power": one["power"]} for one in genesis["validators"]]
    validators = sorted(
        [{"type": one["type"], "key": one["value"], "power": str(one["power"])} for one in first],
        key=lambda one: (-int(one["power"]), address_of(one)),
    )
    height, time_ns, following = 0, nanoseconds(genesis["genesis_time"]), validators_root(validators)
    for block in blocks:
        header = block["header"]
        require(int(header["height"]) > height and nanoseconds(header["time"]) > time_ns, "the path does not rise")
        require(now_ns < time_ns + genesis["params"]["trusting_period_ms"] * 10**6, "trust has expired")
        require(nanoseconds(header["time"]) <= now_ns + 10 * NS, "a header from the future")
        require(header["validators_hash"] == validators_root(block["validators"]), "other validators than the header's")
        signers = signers_of(block, genesis["chain_id"])
        if int(header["height"]) == height + 1:
            require(header["validators_hash"] == following, "other validators than were announced")
        else:
            require(following == validators_root(validators), "the validators change on the way")
            require(3 * power(one for one in validators if one["key"] in signers) > power(validators), "too little trust")
        require(3 * power(one for one in block["validators"] if one["key"] in signers) > 2 * power(block["validators"]), "too few signed")
        height, time_ns, following = int(header["height"]), nanoseconds(header["time"]), header["next_validators_hash"]
        validators = block["validators"]
    return blocks[-1]["header"]


def power(validators):
    return sum(int(one["power"]) for one in validators)


def signers_of(block, chain_id):
    """The keys that signed for the block; every signature must hold."""
    header, commit = block["header"], block["commit"]
    parts = number(1, commit["parts"]["total"]) + data(2, bytes.fromhex(commit["parts"]["hash"]))
    block_id = message(4, data(1, header_hash(header, chain_id)) + message(2, parts))
    found = set()
    require(len(commit["signatures"]) == len(block["validators"]), "votes of others")
    for one, place in zip(block["validators"], commit["signatures"], strict=True):
        if place is None:
            continue
        head = number(1, 2) + fixed(2, int(header["height"])) + fixed(3, commit["round"]) + (block_id if place["vote"] == "block" else b"")
        vote = head + message(5, timestamp(place["time"])) + data(6, chain_id.encode())
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["key"]))
            key.verify(bytes.fromhex(place["signature"]), varint(len(vote)) + vote)
        except (InvalidSignature, ValueError) as error:
            raise Refused("a signature does not hold") from error
        found |= {one["key"]} if place["vote"] == "block" else set()
    return found


def header_hash(header, chain_id):
    last = header["last_block_id"]
    parts = number(1, last["parts"]["total"]) + data(2, bytes.fromhex(last["parts"]["hash"]))
    leaves = [
        number(1, 11) + number(2, int(header["version_app"])),
        data(1, chain_id.encode()),
        number(1, int(header["height"])),
        timestamp(header["time"]),
        data(1, bytes.fromhex(last["hash"])) + message(2, parts),
        *(data(1, bytes.fromhex(header[name])) for name in HASHES),
    ]
    return root(leaves)


def validators_root(validators):
    leaves = [message(1, data(1, bytes.fromhex(one["key"]))) + number(2, int(one["power"])) for one in validators]
    require(all(one["type"] == "ed25519" for one in validators), "keys that this stranger does not know")
    return root(leaves).hex()


def address_of(one):
    return sha256(bytes.fromhex(one["key"])).digest()[:20]


# Another chain


def anchor_of(claim, last):
    """Number and id of the chain, height and hash of its header."""
    key, value = held(claim["chain"], "chains", last)
    record = msgpack.unpackb(value)
    ac, chain_id, client_id = record[1], record[2], record[21]
    require(key == b"\x01" + ac.encode(), "the record of another number")
    key, value = held(claim["client"], "ibc", last)
    require(key == f"clients/{client_id}/clientState".encode(), "another client")
    packed = fields_of(value)
    require(packed[1] == CLIENT_STATE, "a client of another kind")
    state = fields_of(packed[2])
    require(state[1] == chain_id.encode(), "a client of another chain")
    require(state[6] == b"", "a frozen client")
    key, value = held(claim["anchor"], "ibc", last)
    revision = chain_id.rpartition("-")[2]
    before = f"clients/{client_id}/headers/{revision if revision.isdigit() else 0}-".encode()
    require(key.startswith(before) and str(int(key[len(before) :])).encode() == key[len(before) :], "another place of a hash")
    return ac, chain_id, int(key[len(before) :]), value


def held(proof, store, header):
    found_store, key, value = state_of(proof, header)
    require(found_store == store and value is not None, "another store, or nothing there")
    return key, value


def fields_of(raw):
    """The fields of a protobuf message that stand once: numbers and bytes."""
    found = {}
    while raw:
        tag, raw = read_varint(raw)
        value, raw = read_varint(raw)
        if tag & 7 == 2:
            value, raw = raw[:value], raw[value:]
        found.setdefault(tag >> 3, value)
    return found


# Claims


def fact_of(kind, claim, header):
    if kind == "header":
        return (int(header["height"]),)
    if kind == "state":
        return state_of(claim, header)
    require(kind == "evidence", "a kind that this stranger does not know")
    store, key, value = state_of(claim["head"], header)
    require((store, key) == ("evidence", b"log") and value is not None, "another head")
    size, log_root = msgpack.unpackb(value)
    leaf, index = bytes.fromhex(claim["leaf"]), int(claim["index"])
    require(index < size, "beyond the log")
    node, place, last = sha256(b"\x00" + leaf).digest(), index, size - 1
    for sibling in claim["path"]:  # RFC 9162, 2.1.3.2
        require(last > 0, "a path that is too long")
        if place % 2 or place == last:
            node = sha256(b"\x01" + bytes.fromhex(sibling) + node).digest()
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + bytes.fromhex(sibling)).digest()
        place, last = place >> 1, last >> 1
    require(last == 0 and node == log_root, "not in the log")
    record = msgpack.unpackb(leaf)
    require(record[2] < int(header["height"]) and record[3] <= nanoseconds(header["time"]) // 10**6, "a record from the future")
    return index, size, leaf


def state_of(proof, header):
    """Store, key and value; the value None when it is proved that there is none."""
    store, key = proof["store"], bytes.fromhex(proof["key"])
    if "presence" in proof:
        value = bytes.fromhex(proof["presence"]["value"])
        below = climb(key, value, proof["presence"]["path"])
    else:
        value, below = None, below_absence(key, proof["absence"]["left"], proof["absence"]["right"])
    node = sha256(b"\x00" + varint(len(store)) + store.encode() + b"\x20" + sha256(below).digest()).digest()
    for prefix, suffix in (map(bytes.fromhex, step) for step in proof["store_path"]):
        require(prefix[:1] == b"\x01" and len(prefix + suffix) == 33 and len(suffix) in (0, 32), "a step of another tree")
        node = sha256(prefix + node + suffix).digest()
    require(node.hex() == header["app_hash"], "not in the state")
    return store, key, value


def climb(key, value, path):
    """The root over a key and its value."""
    require(key and value, "an empty key or value")
    node = sha256(b"\x00\x02\x00" + varint(len(key)) + key + b"\x20" + sha256(value).digest()).digest()
    for prefix, suffix in (map(bytes.fromhex, step) for step in path):
        head = prefix if suffix else prefix[:-33]
        require(
            head[-2:] == b"\x00\x20" and head[0] > 0 and len(suffix) in (0, 33) and suffix[:1] in (b"", b"\x20"), "a step of another tree"
        )
        require(suffix or prefix[-1:] == b"\x20", "a step of another tree")
        node = sha256(prefix + node + suffix).digest()
    return node


def below_absence(key, left, right):
    """The root over two neighbours between which the key would stand; a missing one is beyond the first or last key."""
    sides = [(bytes.fromhex(one["key"]), bytes.fromhex(one["value"]), one["path"]) for one in (left, right) if one]
    roots = {climb(*one) for one in sides}
    require(len(roots) == 1, "neighbours of two trees")
    require(not left or sides[0][0] < key, "a left neighbour that is not on the left")
    require(not right or key < sides[-1][0], "a right neighbour that is not on the right")
    ways = [[is_left(step) for step in one[2]] for one in sides]
    shared = 0
    if left and right:
        while ways[0][-1 - shared] == ways[1][-1 - shared]:
            shared += 1
        require(ways[0][-1 - shared] and not ways[1][-1 - shared], "neighbours in the wrong order")
        shared += 1
    if left:
        require(not any(ways[0][: len(ways[0]) - shared]), "something stands right of the left neighbour")
    if right:
        require(all(ways[-1][: len(ways[-1]) - shared]), "something stands left of the right neighbour")
    return roots.pop()


def is_left(step):
    """Whether the child is the left one."""
    return bool(step[1])


# Bytes


def root(leaves):
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def read_varint(raw):
    number = shift = 0
    while True:
        byte, raw = raw[0], raw[1:]
        number, shift = number | (byte & 127) << shift, shift + 7
        if byte < 128:
            return number, raw


def number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def fixed(field, value):
    return varint(field << 3 | 1) + value.to_bytes(8, "little") if value else b""


def data(field, content):
    return message(field, content) if content else b""


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def nanoseconds(text):
    whole, _, decimals = text.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * NS + int(decimals.ljust(9, "0"))


def timestamp(text):
    seconds, nanos = divmod(nanoseconds(text), NS)
    return number(1, seconds) + number(2, nanos)
