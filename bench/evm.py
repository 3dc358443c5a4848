"""What our contracts on an EVM chain cost in gas: a header by 4, 7 and 20 validators, its set once, proofs, packets.

    .venv/bin/python bench/evm.py

It runs on a node of the Ethereum machine from npm (`tests/evm/package.json`), which it installs into the user's cache. Gas does not depend
on the machine. Beside each figure stands that of a prototype from before, as far as there is one. At the end stands what we pay to check
what an EVM chain shows us.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chainnode.foreign import evmclient, trie
from chainnode.foreign.evmclient import kept_state
from chainnode.foreign.qbft import check_seals, decode_header
from tests.chain_maker import make_genesis
from tests.evm.followed import REVISION, Chain, Followed
from tests.evm.machine import Machine, Missing, compiled, machine, sources
from tests.evm.outbox_checks import HERE, Boxed
from tests.foreign.evm_maker import Trie, account_value, make_header, sealers

SIZES = (4, 7, 20)
# Of the prototype: update, registration of the set; and a membership proof through 14 levels of the store and 3 of the map of stores.
BEFORE_UPDATE = {4: 210_645, 7: 246_765, 20: 403_831}
BEFORE_SET = {4: 227_958, 7: 338_269, 20: 785_944}
BEFORE_MEMBER = 126_378
STORES = 8
KEYS = 8_192
ROUNDS = 50


def row(name: str, gas: int, before: int | None = None) -> None:
    """Print one figure."""
    print(f"{name:<58} {gas:>9,}" + (f"   before {before:>9,}" if before else ""))


def headers(running: Machine, code: bytes) -> None:
    """A set, a header right above, and one far above whose set has changed by one validator."""
    for size in SIZES:
        names = {f"v{number}": 10 for number in range(size)}
        chain = Chain(make_genesis(names, chain_id=f"gas-{REVISION}", suite="s"))
        followed = Followed(running, code, chain)
        first = chain.maker.blocks[0]
        row(f"a set of {size} validators made known", followed.register(first).gas, BEFORE_SET[size])
        row(f"a header by {size} validators", followed.update(first).gas, BEFORE_UPDATE[size])
        chain.decide(next_powers={name: power for name, power in names.items() if name != "v0"} | {"w": 10})
        later = chain.decide()
        followed.register(later)
        row(f"a header by {size} validators, one of them new, skipping", followed.update(later, first).gas)


def proofs(running: Machine, code: bytes) -> None:
    """Presence and absence in a store of so many keys."""
    contents = {b"\0": b"\1"} | {b"key" + number.to_bytes(8, "big"): b"v" * 32 for number in range(0, 2 * KEYS, 2)}
    chain = Chain(make_genesis({f"v{number}": 10 for number in range(4)}, chain_id=f"gas-{REVISION}", suite="s"), contents)
    chain.stores = {f"store{number}": bytes([number]) * 32 for number in range(STORES - 1)}
    followed = Followed(running, code, chain)
    block = chain.decide()
    followed.update(block)
    there, missing = (b"key" + number.to_bytes(8, "big") for number in (KEYS, KEYS + 1))
    proof = chain.prove(block, there)
    levels = [len(one.path) for one in proof]
    where = (REVISION, block.header.height)
    made = evmclient.membership_proof(kept_state(block.header), proof)
    question = evmclient.call("verifyMembership((bytes,(uint64,uint64),bytes[],bytes))", (made, where, [b"ibc", there], contents[there]))
    row(f"presence, {levels[0]} levels and {levels[1]} of the map of stores", running.send(followed.address, question).gas, BEFORE_MEMBER)
    made = evmclient.absence_proof(kept_state(block.header), chain.prove(block, missing))
    question = evmclient.call("verifyNonMembership((bytes,(uint64,uint64),bytes[]))", (made, where, [b"ibc", missing]))
    row("absence in the same store", running.send(followed.address, question).gas)


def packets(running: Machine, codes: dict[str, bytes]) -> None:
    """A packet each way with an application that does next to nothing, in a store of 40 keys."""
    boxed = Boxed(running, codes)
    packet = boxed.packet()
    boxed.commit(packet)
    row("a packet received", boxed.receive(packet).gas)
    sent = boxed.send()
    boxed.answer(sent, b"done")
    row("a packet acknowledged", boxed.acknowledge(sent, b"done").gas)
    assert sent.destination_client == HERE


def here() -> None:
    """What checking costs on our side, by the processor's clock, which other work on the machine disturbs little."""
    header = make_header(sealers("abcd"), 12, 1_800_000_000)
    slots = Trie({number.to_bytes(32, "big"): b"\1" for number in range(KEYS)})
    world = Trie({bytes([number]) * 20: account_value(slots.root) for number in range(200)})
    place, contract = (5).to_bytes(32, "big"), b"\5" * 20
    proof = trie.encode_nodes(world.nodes_to(contract), slots.nodes_to(place))
    trusted = decode_header(header).validators
    for name, work in (
        ("a QBFT header of 4 validators, read and its seals checked", lambda: check_seals(trusted, decode_header(header))),
        (f"a slot among {KEYS:,} proved by {len(proof):,} bytes", lambda: trie.proved_slot(world.root, contract, place, proof)),
    ):
        work()
        start = time.process_time()
        for _ in range(ROUNDS):
            work()
        print(f"{name:<58} {(time.process_time() - start) / ROUNDS * 1000:>9.1f} ms")


def main() -> None:
    """Print all."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        codes = compiled(sources())
        for name in ("CometClient", "Outbox"):
            print(f"{name}: {len(codes[name]):,} bytes that create it")
        with machine() as running:
            headers(running, codes["CometClient"])
            proofs(running, codes["CometClient"])
            packets(running, codes)
        here()
    except Missing as error:
        sys.exit(f"bench/evm.py: {error}")


if __name__ == "__main__":
    main()
