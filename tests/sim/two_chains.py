"""Receipts on two chains and the main chain that anchors both, under a relay without scruples: it drops, reorders, doubles, delays, forges.

Blocks, headers, commits, light clients and proofs are real: the main chain follows both by their headers, each of them the main chain,
and each other through it. After each block of each chain no package has two receipts in force (INV-63); after a calm in which an honest
relay works, every packet is settled and every receipt in force somewhere.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from random import Random

from chainnode.bundle import beginning_of
from chainnode.execution.state import State
from chainnode.execution.table import Call
from chainnode.foreign import anchored, tendermintbytes
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.ibckeys import client_state_key, consensus_state_key
from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    Acknowledgement,
    Packet,
    acknowledgement_key,
    commitment_key,
    decode_packet,
    encode_acknowledgement,
    receipt_key,
)
from chainnode.foreign.tendermintbytes import HeaderMessage
from chainnode.types.transaction import Value
from contracts import clients, goods, roles
from contracts.receiptmovebytes import ACCEPTED
from contracts.receiptrecords import IN_FORCE, Receipt, decode_receipt
from tests.contracts.move_check import Records, check_one_in_force, is_on_its_way
from tests.sim.proved_chain import Done, ProvedChain, Task, did, invoke

MAIN, CITY, PORT = "main-1", "city-1", "port-7"
PEOPLE = ("anna", "bela", "carl")
GRANTS = (("council", roles.SUPER), ("warehouse", roles.CUSTODIAN), ("relay", roles.MEMBER), *((name, roles.MEMBER) for name in PEOPLE))
CODES = tuple(f"p{number}" for number in range(8))
EVIDENCE = sha256(b"evidence").digest()
OK = encode_acknowledgement(Acknowledgement((ACCEPTED,)))
REFUSED = encode_acknowledgement(Acknowledgement((ERROR_ACKNOWLEDGEMENT,)))
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Link:
    """A client of `chain` of the chain `other`, whose client of us is `counterparty`."""

    chain: str
    client_id: str
    other: str
    counterparty: str


LINKS = (
    Link(MAIN, "07-tendermint-0", CITY, "07-tendermint-0"),
    Link(MAIN, "07-tendermint-1", PORT, "07-tendermint-0"),
    Link(CITY, "07-tendermint-0", MAIN, "07-tendermint-0"),
    Link(PORT, "07-tendermint-0", MAIN, "07-tendermint-1"),
    Link(CITY, "20-anchored-1", PORT, "20-anchored-1"),
    Link(PORT, "20-anchored-1", CITY, "20-anchored-1"),
)
BY_CLIENT = {(link.chain, link.client_id): link for link in LINKS}


@dataclass(frozen=True, slots=True)
class Idea:
    """A call that somebody thought of, and what is to be done with what becomes of it."""

    signers: tuple[str, ...]
    method: str
    arguments: tuple[Value, ...]
    then: Callable[[Done], None] = lambda done: None

    @property
    def task(self) -> Task:
        """As a transaction."""
        contract, method = self.method.split(".")
        return Task(self.signers, invoke(contract, method, *self.arguments))


@dataclass(slots=True)
class Sent:
    """A packet, and what became of it."""

    link: Link  # of the source
    raw: bytes
    packet: Packet
    answer: bytes | None = None
    is_settled: bool = False

    @property
    def back(self) -> Link:
        """The link of the destination."""
        return BY_CLIENT[self.link.other, self.packet.destination_client]


class TwoChains:
    """A run of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.chains = {chain_id: ProvedChain(chain_id, GRANTS) for chain_id in (MAIN, CITY, PORT)}
        self.now_ns = self.chains[MAIN].time_ns
        self.known: dict[Link, list[int]] = {link: [] for link in LINKS}  # heights that a client holds
        self.packets: list[Sent] = []
        self.met: Counter[tuple[str, str]] = Counter()
        self.records: dict[str, Records] = {}
        self.count = 0
        # How bad the relay is in this run.
        self.drops, self.forges = self.rng.choice((0.0, 0.2, 0.6)), self.rng.choice((0.1, 0.3))
        for chain_id in self.chains:
            self._begin(chain_id)

    # The run

    def run(self, blocks: int) -> str:
        """So many blocks of trouble, then calm; a digest of all that came of it."""
        for _ in range(blocks):
            chain_id = self.rng.choice((MAIN, CITY, CITY, PORT, PORT))
            ideas = [self._idea(chain_id) for _ in range(self.rng.randint(1, 4))]
            self._block(chain_id, [idea for idea in ideas if idea is not None])
        self._calm()
        hashes = "".join(chain.maker.app_hash.hex() for chain in self.chains.values())
        return sha256(hashes.encode()).hexdigest()[:16]

    def _begin(self, chain_id: str) -> None:
        """Clients, their counterparties, goods."""
        self._advance(chain_id, [Task(("council",), self._client(link)) for link in LINKS if link.chain == chain_id])
        ideas = [
            Idea(("council",), "clients.register_counterparty", (link.client_id, link.counterparty, (b"ibc", b"")), _expect_done)
            for link in LINKS
            if link.chain == chain_id
        ]
        items = tuple((code, "rice", 5, "KGM", EVIDENCE) for code in CODES)
        self._block(chain_id, [*ideas, Idea(("warehouse",), "goods.commission", ("intake", "site", items), _expect_done)])

    def _client(self, link: Link) -> Callable[[Call, State], Value]:
        beginning = beginning_of(self.chains[link.other].genesis)
        if link.client_id.startswith("07"):
            return lambda call, state: clients.create_for_chain(state, call, beginning, creator=did("council"))
        height = RevisionHeight(self.chains[link.other].revision, 0)
        made = anchored.AnchoredState(link.other, "07-tendermint-0", _anchoring(link).client_id, (b"ibc", b""), height)
        states = {"client_state": anchored.encode_client_state(made), "consensus_state": b""}
        more = {"kind": anchored.NAME, "creator": did("council"), "relayers": ()}
        return lambda call, state: clients.create(state, call.height, call.time_ms, **states, **more)

    def _advance(self, chain_id: str, tasks: Sequence[Task], quiet_ms: int | None = None) -> list[Done]:
        """A block, some time after the last one of any chain."""
        self.now_ns += (self.rng.randint(1, 1_500) if quiet_ms is None else quiet_ms) * _MS
        chain = self.chains[chain_id]
        done = chain.block(max(self.now_ns + self.rng.randint(-300, 300) * _MS, chain.time_ns + _MS), tasks)
        self.records[chain_id] = records_of(chain)
        for outcome in done:
            self._note_packets(chain_id, outcome)
        return done

    def _block(self, chain_id: str, ideas: Sequence[Idea], quiet_ms: int | None = None) -> None:
        """A block of these calls, then INV-63."""
        done = self._advance(chain_id, [idea.task for idea in ideas], quiet_ms)
        for idea, outcome in zip(ideas, done, strict=True):
            self.met[idea.method, outcome.code or (outcome.returned if isinstance(outcome.returned, str) else "done")] += 1
            idea.then(outcome)
        if len(self.records) == len(self.chains):
            check_one_in_force(self.records)

    def _note_packets(self, chain_id: str, outcome: Done) -> None:
        for event in outcome.events:
            if event.name == "send_packet":
                raw = bytes.fromhex(str(event.attributes["encoded_packet_hex"]))
                packet = decode_packet(raw)
                self.packets.append(Sent(BY_CLIENT[chain_id, packet.source_client], raw, packet))
            elif event.name == "write_acknowledgement":
                sent = self._sent_as(str(event.attributes["encoded_packet_hex"]))
                assert sent.answer is None, "a packet is received once"
                sent.answer = bytes.fromhex(str(event.attributes["encoded_acknowledgement_hex"]))
            elif event.name in ("acknowledge_packet", "timeout_packet"):
                sent = self._sent_as(str(event.attributes["encoded_packet_hex"]))
                assert not sent.is_settled, "a packet is settled once"
                sent.is_settled = True

    def _sent_as(self, text: str) -> Sent:
        """The packet with these bytes, which somebody sent."""
        return next(sent for sent in self.packets if sent.raw.hex() == text)

    # What users think of

    def _idea(self, chain_id: str) -> Idea | None:
        kind = self.rng.choice(("issue", *("move",) * 4, "transfer", "cancel", *("update",) * 6, *("packet",) * 8))
        if kind == "issue":
            return self._issue()
        if kind in ("move", "transfer", "cancel"):
            return self._use(chain_id, kind)
        if self.rng.random() < self.drops:
            return None
        if kind == "update":
            idea = self._update(self.rng.choice([link for link in LINKS if link.chain == chain_id]), is_latest=self.rng.random() < 0.7)
        else:
            idea = self._bring(chain_id)
        return self._forged(idea) if idea is not None and self.rng.random() < self.forges else idea

    def _issue(self) -> Idea:
        codes = tuple(self.rng.sample(CODES, self.rng.randint(1, 2)))
        self.count += 1
        holder = self.rng.choice(PEOPLE)
        arguments = (f"r{self.count}", did("warehouse"), did(holder), 5 * len(codes), codes, False, EVIDENCE)
        return Idea(("warehouse", holder), "receipts.issue", arguments)

    def _use(self, chain_id: str, kind: str) -> Idea | None:
        """The holder of a receipt in force does something with it; now and then one of another receipt."""
        records = self.records[chain_id].receipts
        names = sorted(name for name, one in records.items() if one.status in IN_FORCE or self.rng.random() < 0.05)
        if not names:
            return None
        one = records[self.rng.choice(names)]
        holder, to = next(name for name in PEOPLE if did(name) == one.holder), self.rng.choice(PEOPLE)
        if kind == "move":
            links = [link for link in LINKS if link.chain == chain_id]
            home = [link for link in links if one.origin is not None and link.client_id == one.origin.client_id]
            link = self.rng.choice(home or links if self.rng.random() < 0.6 else links)
            to = self.rng.choice((*PEOPLE, *PEOPLE, "stranger"))
            timeout_s = self.chains[chain_id].time_ns // 10**9 + self.rng.randint(2, 240)
            return Idea((holder,), "receipts.move", (one.receipt_id, one.sequence, link.client_id, did(to), timeout_s, EVIDENCE))
        if kind == "transfer":
            return Idea(tuple(dict.fromkeys((holder, to))), "receipts.transfer", (one.receipt_id, one.sequence, did(to), EVIDENCE))
        own = tuple(unit.code for unit in self.records[chain_id].units if unit.receipt_id == one.receipt_id) or CODES[:1]
        return Idea((holder, "warehouse"), "receipts.cancel", (one.receipt_id, one.sequence, own, EVIDENCE))

    # What the relay thinks of

    def _update(self, link: Link, *, is_latest: bool) -> Idea | None:
        """A header, or what the main chain holds of one, for a client."""
        other, is_anchored = self.chains[link.other], link.client_id.startswith("20")
        heights = self.known[_anchoring(link)] if is_anchored else list(range(1, other.height + 1))
        if not heights:
            return None
        height = max(heights) if is_latest else self.rng.choice(heights[-12:])
        message = self._anchored_message(link, height) if is_anchored else self._header_message(link, height)
        if message is None:
            return None

        def then(done: Done) -> None:
            if done.returned == "updated":
                self.known[link].append(height)
            assert done.returned != "frozen"

        return Idea(("relay",), "clients.update", (link.client_id, message), then)

    def _header_message(self, link: Link, height: int) -> bytes | None:
        other = self.chains[link.other]
        below = [0, *(known for known in self.known[link] if known < height)]
        block = other.header(height)
        trusted = other.at(self.rng.choice(below[-3:]))
        return tendermintbytes.encode_header(HeaderMessage(block, trusted, block.validators))

    def _anchored_message(self, link: Link, height: int) -> bytes | None:
        main, there = self.chains[MAIN], _anchoring(link)
        footing = BY_CLIENT[link.chain, "07-tendermint-0"]
        state_key, key = client_state_key(there.client_id), consensus_state_key(there.client_id, self.chains[link.other].at(height))
        holding = [known for known in self.known[footing] if main.value(known, key)]
        if not holding:
            return None
        at = self.rng.choice(holding[-3:])
        values = [main.value(at, state_key) or b"", main.value(at, key) or b""]
        proofs = [main.prove(at, state_key), main.prove(at, key)]
        return anchored.encode_header(anchored.AnchoredHeader(self.chains[link.other].at(height), *values, main.at(at), *proofs))

    def _bring(self, chain_id: str) -> Idea | None:
        """A packet, an answer or a timeout, to this chain: any of those ever sent, proved at any height that its client holds."""
        here = [sent for sent in self.packets if chain_id in (sent.link.chain, sent.link.other)]
        if not here:
            return None
        fresh = [sent for sent in here if not sent.is_settled][-6:]
        sent = self.rng.choice(fresh if fresh and self.rng.random() < 0.8 else here)
        if chain_id == sent.link.other:
            return self._receive(sent, self._pick(sent.back))
        if sent.answer is not None and self.rng.random() < 0.7:
            return self._acknowledge(sent, sent.answer, self._pick(sent.link))
        if self.rng.random() < 0.2:
            return self._acknowledge(sent, self.rng.choice((OK, REFUSED)), self._pick(sent.link))
        return self._time_out(sent, self._pick(sent.link))

    def _pick(self, link: Link) -> int | None:
        heights = self.known[link]
        return self.rng.choice(heights[-4:] if self.rng.random() < 0.8 else heights) if heights else None

    def _receive(self, sent: Sent, height: int | None) -> Idea | None:
        key = commitment_key(sent.packet.source_client, sent.packet.sequence)
        return self._proved("receive", sent.back, (sent.raw,), key, height)

    def _acknowledge(self, sent: Sent, answer: bytes, height: int | None) -> Idea | None:
        key = acknowledgement_key(sent.packet.destination_client, sent.packet.sequence)
        return self._proved("acknowledge", sent.link, (sent.raw, answer), key, height)

    def _time_out(self, sent: Sent, height: int | None) -> Idea | None:
        key = receipt_key(sent.packet.destination_client, sent.packet.sequence)
        return self._proved("time_out", sent.link, (sent.raw,), key, height)

    def _proved(self, method: str, link: Link, arguments: tuple[Value, ...], key: bytes, height: int | None) -> Idea | None:
        if height is None:
            return None
        other = self.chains[link.other]
        return Idea(("relay",), f"packets.{method}", (*arguments, other.prove(height, key), str(other.at(height))))

    def _forged(self, idea: Idea) -> Idea:
        """The same with something changed, which must be refused or find nothing to do."""
        arguments = list(idea.arguments)
        place = self.rng.randrange(len(arguments))
        one = arguments[place]
        if isinstance(one, bytes) and one:
            bent = bytearray(one)
            bent[self.rng.randrange(len(bent))] ^= self.rng.randint(1, 255)
            arguments[place] = self.rng.choice((bytes(bent), one[: self.rng.randrange(len(one))], one + b"\x00"))
        else:
            arguments[place] = self.rng.choice(("07-tendermint-0", "20-anchored-1", "1-1", "7-2"))
        if tuple(arguments) == idea.arguments:
            return idea

        def then(done: Done) -> None:
            assert done.code is not None or done.returned in ("already", "known"), f"{idea.method} took a forgery: {done.returned}"
            assert not done.has_written

        return Idea(idea.signers, idea.method, tuple(arguments), then)

    # Calm

    def _calm(self) -> None:
        """An honest relay settles everything; nothing is on its way then."""
        for _ in range(2):
            for chain_id in self.chains:
                self._block(chain_id, [], quiet_ms=250_000)  # all that is open has timed out, or been received
            for _ in range(2):  # headers of both to the main chain, its headers to both, and theirs through it
                for link in LINKS:
                    self._advance(MAIN, [])
                    update = self._update(link, is_latest=True)
                    if update is not None:
                        self._block(link.chain, [update])
            for sent in self.packets:
                height = max(self.known[sent.link], default=None)
                idea = self._acknowledge(sent, sent.answer, height) if sent.answer is not None else self._time_out(sent, height)
                if idea is not None and not sent.is_settled:
                    self._block(sent.link.chain, [replace(idea, then=_expect_done)])
        assert all(sent.is_settled for sent in self.packets)
        for chain_id, records in self.records.items():
            for one in records.receipts.values():
                assert not is_on_its_way(self.records, chain_id, one), f"{one.receipt_id} of {chain_id} never arrived"


def records_of(chain: ProvedChain) -> Records:
    """What the ledger of a chain says of receipts and packages."""
    receipts = [_receipt(value) for key, value in chain.values["receipts"].items() if key[:1] == b"\x01"]
    units = tuple(_unit(value) for key, value in chain.values["goods"].items() if key[:1] == b"\x01")
    return Records({one.receipt_id: one for one in receipts}, units)


@lru_cache(maxsize=4096)
def _receipt(value: bytes) -> Receipt:
    return decode_receipt(value)


@lru_cache(maxsize=4096)
def _unit(value: bytes) -> goods.Unit:
    return goods.decode_unit(value)


def _anchoring(link: Link) -> Link:
    """The main chain's client of the chain that an anchored client follows."""
    return next(one for one in LINKS if (one.chain, one.other) == (MAIN, link.other))


def _expect_done(done: Done) -> None:
    assert done.code is None, done.code
