"""What the dearest calls cost against the work that they declare (`contracts/work.py`, ADR-0016): each by itself, in one process.

    CHAINNODE_NATIVE=0 python bench/work.py [--rounds 3]

Of each: processor milliseconds, least of the rounds, with what the state tree takes for its writes (the disk comes to as much), the units
declared, what share of them that is, and the seconds of a block that is full of it, by its bytes and by its work. A method whose
dearest call is not here is to be measured before its row is believed.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chainnode import codec
from chainnode.bid import did_of
from chainnode.crypto import keys, secp256k1
from chainnode.crypto.suites import generate, sign
from chainnode.did import record
from chainnode.errors import Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.foreign import attestations, attested, ethkeys, qbftclient
from chainnode.foreign.qbft import decode_header, trusted_of
from chainnode.foreign.tendermintbytes import Misbehaviour, encode_misbehaviour
from chainnode.keytable import Column
from chainnode.statetree import StateTree
from chainnode.types.genesis import ChainParams
from chainnode.types.limits import GOODS_ITEMS_MAX, TX_BYTES_MAX, WORK_BLOCK_MAX
from chainnode.types.transaction import Invocation
from contracts import devices
from contracts.registry import METHODS
from contracts.work import of_call
from netbench import finish
from tests.chain_maker import key_of
from tests.contracts.admission import arguments as application
from tests.contracts.clients_world import Follower
from tests.contracts.council import EVIDENCE, Council, did, genesis_hash_of
from tests.contracts.receipt_world import digest
from tests.foreign.client_world import OtherChain
from tests.foreign.evm_maker import Sealer, make_header, sealers

S = 10**9
DEVICES = 2_000
LETTERS = "".join(chr(one) for one in range(33, 127) if chr(one) != "(")
CACHES = (keys.address, secp256k1._verifier, ethkeys._address)  # of keys, which a stranger makes anew


class Case(NamedTuple):
    """A call in a state."""

    world: Council
    signers: str
    method: str
    arguments: tuple[Any, ...]
    note: str = ""


class Below:
    """A world's state, as the disk is below a block's."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, store: str, key: bytes) -> bytes | None:
        """See `Reader`."""
        return self._state.store(store).get(key)

    def iterate(self, store: str, prefix: bytes, after: bytes | None, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """See `Reader`."""
        return self._state.store(store).iterate(prefix, after=after, limit=limit)

    def index_get(self, space: str, key: bytes) -> bytes | None:
        """See `Reader`."""
        return self._state.index_get(space, key)

    def index_find(self, space: str, keys: Column) -> Mapping[bytes, bytes]:
        """See `Reader`."""
        wanted = [bytes(one) for one in keys] if not isinstance(keys, bytes) else []
        found = zip(wanted, self._state.index_get_many(space, wanted), strict=True)
        return {key: value for key, value in found if value is not None}


def codes(count: int) -> tuple[str, ...]:
    """Codes of packages, as short as may be."""
    base = len(LETTERS)
    return tuple(LETTERS[one // base**2 % base] + LETTERS[one // base % base] + LETTERS[one % base] for one in range(count))


def goods() -> Iterator[Case]:
    """Packages and receipts."""
    world, named = Council(("ada",)), codes(GOODS_ITEMS_MAX)
    intake = ("in", "s", tuple((code, "r", 1, "KGM", EVIDENCE) for code in named))
    yield Case(world, "cus", "goods.commission", intake)
    world.do(["cus"], "goods.commission", *intake)
    yield Case(world, "cus", "goods.decommission", (named, "spoilt", EVIDENCE))
    issue = ("r", did("cus"), did("mia"), len(named), named, False, EVIDENCE)
    yield Case(world, "cus mia", "receipts.issue", issue)
    world.do(["cus", "mia"], "receipts.issue", *issue)
    yield Case(world, "mia cus", "receipts.cancel", ("r", 1, named, EVIDENCE))
    yield Case(world, "mia", "receipts.delivery_order", ("r", 1, did("bob"), named, EVIDENCE))
    yield Case(world, "mia bob", "receipts.transfer", ("r", 1, did("bob"), EVIDENCE))
    parts = tuple((f"k{one}", 8, named[8 * one : 8 * one + 8], EVIDENCE) for one in range(256))
    yield Case(world, "mia cus", "receipts.split", ("r", 1, parts, EVIDENCE))
    world.do(["mia", "cus"], "receipts.split", "r", 1, parts, EVIDENCE)
    sources = tuple((name, 1, held) for name, _, held, _ in parts[:64])
    yield Case(world, "mia cus", "receipts.merge", (sources, "m", 512, EVIDENCE, EVIDENCE))
    world.decide("admit_issuer", did("mia"), "School", EVIDENCE)
    world.do(["mia"], "credentials.create_list", did("mia"), "l", "message", 8)
    yield Case(world, "mia", "credentials.set_status", (did("mia"), "l", tuple((1024 * one, 1) for one in range(128))), "each chunk")


def identities() -> Iterator[Case]:
    """DIDs, many at once and with much to say."""
    world = Council(("ada",))
    control, facts = record.control_value(record.Control()), record.facts_value(record.Facts())
    what = devices.template_digest(record.Control(), record.Facts())
    made = [generate("e", digest(f"device {one}")) for one in range(DEVICES)]
    messages = [devices.device_message(genesis_hash_of(("ada",)), did_of("e", key.public), what) for key in made]
    signatures = b"".join(sign(key, message) for key, message in zip(made, messages, strict=True))
    yield Case(world, "mia", "identity.create_many", (control, facts, b"".join(key.public for key in made), signatures))
    services = tuple(record.Service(f"s{one}", "t", "https://x", tuple((f"m{two:02}", two) for two in range(32))) for one in range(32))
    great = record.facts_value(record.Facts(services, tuple((101, f"n{one}") for one in range(32))))
    methods = (("k", "e", key_of("mia").public, 27), *((f"k{one}", "s", key_of(f"k{one}", "s").public, 8) for one in range(19)))
    document = (methods, control, great)
    yield Case(world, "mia", "identity.create", (did("mia"), document))
    world.do(["mia"], "identity.create", did("mia"), document)
    value = world.value("identity", b"\x01" + hashlib.sha256(did("mia").encode()).digest())
    assert value is not None
    yield Case(world, "mia", "identity.rotate", (did("mia"), 1, hashlib.sha256(value).digest(), methods[:1]), "a great document")
    yield Case(world, "bob", "identity.veto_recovery", (did("mia"),), "of another")


def councils() -> Iterator[Case]:
    """Proposals and chains."""
    world = Council(("ada", "ben"))
    for _ in range(32):
        world.do(["ada"], "governance.propose", "set_relayers", ("x", tuple(range(100)) * 159), "b")
    yield Case(world, "ada", "governance.propose", ("remove_issuer", ("x",), "b"), "the 33rd")
    yield Case(world, "ben", "governance.vote", (1, False), "of 16 kB")
    world, asked = Council(("ada",)), list(application())
    asked[5] = tuple((2, key_of(f"validator {one}", "s").public, 1) for one in range(100))
    yield Case(world, "bob", "chains.apply", tuple(asked))
    world.do(["bob"], "chains.apply", *asked)
    yield Case(world, "mia", "chains.withdraw", (1,), "of another")
    world.decide("admit_chain", 1, "byo1", 0)
    node = {"nodeAddress": "a", "name": "b", "createTime": 1, "bindNodeBid": "c", "owner": "d", "type": 1}
    node |= {"p2pAddress": "e", "serverType": 1, "hostIp": "f", "cloudName": 1}
    report = {"chainCode": "byo1", "nodeList": (node,) * 100}
    yield Case(world, "bob", "chains.report", ("byo1", "nodes", report))
    world.do(["bob"], "chains.report", "byo1", "nodes", report)
    yield Case(world, "bob", "chains.report", ("byo1", "nodes", report | {"nodeList": (node,)}), "too soon")


def clients() -> Iterator[Case]:
    """Light clients of each kind."""
    for suite in ("e", "s"):
        chain = OtherChain("city-1", {f"v{one}": 10 for one in range(100)}, suite)
        chain.decide(4)
        world = Follower(chain)
        yield Case(world, "mia", "clients.update", (world.client_id, chain.message(3, 1)), f"07-tendermint, {suite}")
        forged = chain.maker.forged(chain.block(3), app_hash=b"\x66" * 32)
        pair = Misbehaviour(chain.header(chain.block(3), 1), chain.header(forged, 1), "07-tendermint-9")
        yield Case(world, "mia", "clients.misbehaviour", (world.client_id, encode_misbehaviour(pair)), f"07-tendermint, {suite}")
    ledger = Council(("ada",))
    now_s = ledger.next_ms // 1000
    own = sorted((Sealer(f"s{one}") for one in range(100)), key=lambda one: one.address)
    four = sealers("abcd")
    first = make_header(four, 10, now_s - 20)
    state = qbftclient.QbftClientState(1337, b"\x77" * 20, bytes(32), 10, 100_000 * S, 60 * S)
    ledger.decide(
        "create_client",
        qbftclient.NAME,
        qbftclient.encode_client_state(state),
        qbftclient.encode_consensus_state(trusted_of(decode_header(first))),
        did("bob"),
        (),
    )
    for note, raw in (("100 seals", make_header(own, 12, now_s)), ("14 kB", make_header(four, 12, now_s, extra_fields=(bytes(14_000),)))):
        message = qbftclient.encode_header(qbftclient.HeaderMessage(10, raw))
        yield Case(ledger, "mia", "clients.update", ("21-qbft-0", message), f"21-qbft, {note}")
    attestors = [key_of(f"attestor {one}", "s") for one in range(80)]
    addresses = tuple(ethkeys.address_of(one.public).hex() for one in attestors)
    begun = attestations.encode_client_state(attestations.AttestedState(addresses, 80, 100))
    ledger.decide("create_client", attestations.NAME, begun, attestations.encode_consensus_state(now_s * S), did("bob"), ())
    said = attested.StateAttestation(120, now_s + 5)
    proof = attested.AttestationProof(attested.encode_state(said), tuple(attested.sign_state(one.secret, said) for one in attestors))
    yield Case(ledger, "mia", "clients.update", ("attestations-1", attestations.encode_message(proof)), "attestations, 80")


def tree_s() -> float:
    """Seconds of a state tree for one write of many in a block: of keys that are there, among 65,536."""
    pairs = [(hashlib.sha256(b"%d" % one).digest(), hashlib.sha256(b"%d" % -one).digest()) for one in range(65_536)]
    tree = StateTree.build(sorted(pairs))
    changed = sorted((key, b"x") for key, _ in pairs[: GOODS_ITEMS_MAX * 4])
    began = time.process_time()
    assert tree.update(changed).root
    return (time.process_time() - began) / len(changed)


GROUPS: tuple[Callable[[], Iterator[Case]], ...] = (goods, identities, councils, clients)


def measure(case: Case, rounds: int) -> tuple[float, int, str]:
    """Processor seconds, writes, and "ok" or the code of the refusal."""
    contract, name = case.method.split(".")
    signers = tuple(map(did, case.signers.split()))
    arguments = codec.as_array(codec.decode(codec.encode(case.arguments), bytes_max=TX_BYTES_MAX))
    world, outcome, least, writes = case.world, "", float("inf"), 0
    for _ in range(rounds):
        for cache in CACHES:
            cache.cache_clear()
        state = State(Below(world.state))
        state.checkpoint()
        call = Call(signers[0], signers, digest("call"), world.chain_id, world.height + 1, world.next_ms, 0)
        began = time.process_time()
        try:
            METHODS[contract][name].run(call, state, arguments)
            outcome = "ok"
        except Rejected as refusal:
            outcome = refusal.code.name
            state.rollback()
        least = min(least, time.process_time() - began)
        writes = sum(map(len, state.writes().values()))
    return least, writes, outcome


def row(case: Case, rounds: int, write_s: float) -> dict[str, object]:
    """What is told of a case."""
    contract, name = case.method.split(".")
    took_s, writes, outcome = measure(case, rounds)
    took_s += writes * write_s
    invocation = Invocation(contract, name, codec.as_array(codec.decode(codec.encode(case.arguments), bytes_max=TX_BYTES_MAX)))
    units, size = of_call(invocation), len(codec.encode((contract, name, case.arguments)))
    per_block = min(ChainParams().block_txs_max, ChainParams().block_bytes_max // (size + 230))
    return {
        "call": f"{case.method} {case.note}".strip(),
        "outcome": outcome,
        "bytes": size,
        "ms": round(took_s * 1000, 2),
        "units": units,
        "share": round(took_s * 1e6 / units, 2),
        "block_s_by_bytes": round(per_block * took_s, 2),
        "block_s": round(min(per_block, WORK_BLOCK_MAX // units) * took_s, 2),
    }


def main() -> int:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    rows, write_s = [], tree_s()
    for group in GROUPS:
        for case in group():
            rows.append(row(case, rounds, write_s))
            sys.stdout.write("  ".join(f"{value:>10}" for value in list(rows[-1].values())[1:]) + f"  {rows[-1]['call']}\n")
    finish({"bench": "work", "tree_us": round(write_s * 1e6, 1), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
