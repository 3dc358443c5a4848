"""A real network in which two nodes do batches in C and two without: packed by clients, sent to several nodes, with repeated digests."""

import json
import os
import random
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from chainnode import codec
from chainnode.cli.network import Member, Network
from chainnode.client.signing import Signer, build_transaction
from chainnode.crypto.verify import NATIVE
from chainnode.digests import genesis_hash
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.transactions import decode_transaction
from chainnode.types.codes import OK, WAIT_TIMEOUT
from chainnode.types.transaction import Invocation
from tests.e2e.test_verifiers import DEADLINE_S, ask, started

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(NATIVE is None, reason="the C code was not built here, or CHAINNODE_NATIVE=0")]
SEED = int(os.environ.get("CHAINNODE_SEED", "20261126"))
BATCH = 80
Row = tuple[bytes, int, str, str, int | None, int | None, bytes | None]


def sent(member: Member, raws: Sequence[bytes]) -> list[Row]:
    """The answer to a batch, waited for."""
    url = f"{member.url}/v1/transactions?wait_ms=30000"
    request = urllib.request.Request(url, data=codec.encode(tuple(raws)), headers={"Content-Type": "application/msgpack"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return list(codec.decode(content, bytes_max=len(content)))


def test_batches_are_done_alike_and_answered_with_what_is_in_the_blocks(
    make_network: Callable[[int], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"CHAINNODE_SEED={SEED}")
    dice = random.Random(SEED)
    network = make_network(4)
    home = network.members[0].config.home
    genesis = load_genesis(home / "genesis.json")
    operator = load_key(home / "keys" / "operator.json", read_passphrase_file(home.parent / "passphrase"))
    few = [dice.randbytes(32) for _ in range(40)]

    def signed(*digests: bytes) -> bytes:
        rows = tuple([(dice.choice(("sha-256", "sm3")), digest, dice.randbytes(dice.choice((0, 5, 300)))) for digest in digests])
        return build_transaction(genesis.chain_id, genesis_hash(genesis), [Signer(operator)], [Invocation("evidence", "record", (rows,))])[
            1
        ]

    def batch(kind: int) -> list[bytes]:
        """Of new digests; of some that are known; with calls that fail."""
        made = [signed(*[dice.randbytes(32) for _ in range(dice.choice((1, 1, 1, 30)))]) for _ in range(BATCH)]
        for place in dice.sample(range(BATCH), 3 if kind else 0):
            made[place] = signed(*dice.sample(few, 3)) if kind == 1 else signed(bytes(31))
        return made

    batches = [batch(number % 3) for number in range(12)]
    mixed = [raw for one in batches[:4] for raw in one[::4]]
    asked = [(network.members[number % 4], one) for number, one in enumerate(batches)]
    asked += [(network.members[(number + 2) % 4], one) for number, one in enumerate(batches[:6])]  # the same by another node
    asked += [(network.members[3], mixed)]
    with network:
        started(network, monkeypatch)
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda one: sent(*one), asked))
        committed = 0
        for (_, raws), rows in zip(asked, answers, strict=True):
            assert [row[0] for row in rows] == [decode_transaction(raw).tx_id for raw in raws]
            for row in rows:
                found = ask(network.members[dice.randrange(4)], f"/v1/transactions/{row[0].hex()}") if dice.random() < 0.05 else None
                if row[4] is None:
                    assert row[2] in ("replayed", WAIT_TIMEOUT.name), row
                    continue
                committed += 1
                assert row[2] in (OK.name, "bad-digest"), row
                if found is not None:
                    assert (found["height"], found["index"], found["result"]["code"]) == (row[4], row[5], row[1]), json.dumps(found)
                    assert found["result"]["data"] == (row[6] or b"").hex()
        assert committed >= BATCH * len(batches)
        end = time.monotonic() + DEADLINE_S
        while len({(one["height"], one["app_hash"]) for one in (ask(member, "/v1/status") for member in network.members)}) > 1:
            assert time.monotonic() < end, "the nodes do not come to the same state"
            time.sleep(0.1)
        assert network.ended() == []
