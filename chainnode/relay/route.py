"""One route: two chains that follow each other, looked at again and again, and what the plan says done on both.

A route stands for itself: what hangs or fails on one does not hold up another. All that is sent was verified first (INV-80), and may
be sent twice: chains take a second copy for what it is.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, assert_never

from chainnode.errors import ChainError, Rejected
from chainnode.foreign.packetbytes import packet_commitment
from chainnode.relay import delivery
from chainnode.relay.adapter import ChainAdapter, Message, Misbehaviour, TwoHeaders
from chainnode.relay.facts import Alarm, Deliver, Freeze, Plan, PlanRules, RouteFacts, Side, Step, Update
from chainnode.relay.plan import make_plan
from chainnode.relay.progress import Heights
from chainnode.relay.tracking import PacketTable
from chainnode.types.codes import ENDPOINT_LIES
from chainnode.types.limits import CLIENT_REQUESTS_MAX, RELAY_PACKETS, RELAY_PROVABLE_HEIGHTS

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
_TURN_TRIES = 3  # refusals in a row, after which another endpoint is asked: nobody proves a refusal


async def together(work: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Do all at once; the first failure ends the others before it is raised, so that nothing goes on unseen."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _each(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all to the end, then raise what went wrong first, our own faults before others: what one chain refuses holds up no other."""
    found = [one for one in await asyncio.gather(*work, return_exceptions=True) if one is not None]
    for failure in sorted(found, key=lambda one: isinstance(one, ChainError)):
        raise failure


@dataclass(slots=True)
class End:
    """One end of a route: a chain and its client of the other chain. `scanned` is how far its events were read."""

    chain: ChainAdapter
    client_id: str
    scanned: int = 0
    side: Side | None = None  # as last seen
    promise: tuple[int, int] | None = None  # an endpoint said that block n brought the client to height m, which the chain will prove


@dataclass(slots=True)
class Counts:
    """What a route has done since the start."""

    updates: int = 0
    received: int = 0
    acknowledged: int = 0
    timed_out: int = 0
    refused: int = 0


@dataclass(slots=True)
class Route:
    """A route between two ends; `hub` is the third chain of anchored clients."""

    name: str
    a: End
    b: End
    hub: ChainAdapter | None
    carries_packets: bool
    anchor_interval_ns: int
    now_ns: Callable[[], int] = time.time_ns
    anchor_heights: int = 0
    alarms: tuple[Alarm, ...] = ()
    last_error: str = ""
    last_success_ns: int = 0
    failures: int = 0  # in a row
    counts: Counts = field(default_factory=Counts)
    a_to_b: PacketTable = field(init=False)
    b_to_a: PacketTable = field(init=False)

    def __post_init__(self) -> None:
        self.a_to_b = PacketTable(self.a.client_id, self.b.client_id)
        self.b_to_a = PacketTable(self.b.client_id, self.a.client_id)

    @property
    def ends(self) -> tuple[End, End]:
        """Both."""
        return self.a, self.b

    @property
    def is_expecting(self) -> bool:
        """Whether a packet waits for the next block of its chain, which proves it."""
        return any(not one.is_checked for table in (self.a_to_b, self.b_to_a) for one in table.packets.values())

    async def cycle(self) -> bool:
        """Look at both chains and do what there is to do; whether that was anything. Raises why not."""
        facts = await self._facts()
        rules = PlanRules(self.anchor_interval_ns, RELAY_PROVABLE_HEIGHTS, RELAY_PACKETS, self.anchor_heights)
        plan = make_plan(facts, rules, self.now_ns())
        self._raise_alarms(plan)
        await _each([self._do(step) for step in plan.steps])
        self.failures, self.last_error, self.last_success_ns = 0, "", self.now_ns()
        return bool(plan.steps)

    def failed(self, error: ChainError) -> None:
        """Note why a cycle ended early."""
        self.failures += 1
        self.last_error = f"{error.code.name}: {error.detail}"
        log.warning("route_failed", extra={"route": self.name, "code": error.code.name, "reason": error.detail, "failures": self.failures})
        if isinstance(error, Rejected) and self.failures % _TURN_TRIES == 0:
            for end in self.ends:
                end.chain.turn()

    def low_water(self) -> Heights:
        """From where on the events of both chains must be read again after a restart."""
        a, b = self.a.scanned, self.b.scanned
        return {
            self.a.chain.name: min(self.a_to_b.source_low_water(a), self.b_to_a.destination_low_water(a)),
            self.b.chain.name: min(self.b_to_a.source_low_water(b), self.a_to_b.destination_low_water(b)),
        }

    # Facts

    async def _facts(self) -> RouteFacts:
        a, b = await together([self._side(self.a), self._side(self.b)])
        if self.carries_packets:
            await together([self._scan(self.a, self.a_to_b, self.b_to_a), self._scan(self.b, self.b_to_a, self.a_to_b)])
            await together([self._check(self.a, self.a_to_b), self._check(self.b, self.b_to_a)])
        return RouteFacts(a, b, self.a_to_b.waiting(), self.b_to_a.waiting())

    async def _side(self, end: End) -> Side:
        tip = await end.chain.tip()
        client = await end.chain.client(end.client_id) if end.client_id else None
        if client is not None and end.promise is not None and tip.height > end.promise[0]:
            if client.latest < end.promise[1] and not client.is_frozen:
                end.chain.doubt(f"{end.client_id} was not brought to height {end.promise[1]} by block {end.promise[0]}, as was said")
            end.promise = None
        hub = None
        if client is not None and client.hub is not None and self.hub is not None:
            hub = await self.hub.client(client.hub.subject)
        end.side = Side(end.chain.name, tip, client, hub)
        return end.side

    async def _scan(self, end: End, outgoing: PacketTable, incoming: PacketTable) -> None:
        """Read the events of one chain up to its tip, a part of them when the tables are full."""
        assert end.side is not None
        while end.scanned < end.side.tip.height and not (outgoing.is_full or incoming.is_unsure):
            scan = await end.chain.packets(end.scanned)
            for event in scan.events:
                outgoing.at_source(event)
                incoming.at_destination(event)
            if scan.height <= end.scanned:
                return
            end.scanned = scan.height
            incoming.destination_was_read(scan.height, self.now_ns())

    async def _check(self, end: End, table: PacketTable) -> None:
        """Look for the commitments of packets in the sending chain's state; those that are gone are done."""
        assert end.side is not None
        height = end.side.tip.height
        places = asyncio.Semaphore(CLIENT_REQUESTS_MAX)

        async def check(sequence: int) -> None:
            one = table.packets[sequence]
            async with places:
                held = await delivery.commitment_of(end.chain, one.packet, height)
            if held == packet_commitment(one.packet):
                one.is_checked = True
                return
            del table.packets[sequence]
            if held is not None:  # another packet has this number: it is looked for again, as far back as may be
                end.chain.doubt(f"packet {sequence} of {table.source_client} is another than its event says")
                end.scanned = 0

        await together([check(sequence) for sequence in table.unchecked(height)])

    def _raise_alarms(self, plan: Plan) -> None:
        """INV-78: an alarm is told once when it comes up, and stands in `status` and the metrics while it lasts."""
        for alarm in plan.alarms:
            if not any((alarm.on, alarm.client_id, alarm.kind) == (one.on, one.client_id, one.kind) for one in self.alarms):
                left_s = None if alarm.left_ns is None else alarm.left_ns // 1_000_000_000
                extra = {"route": self.name, "chain": alarm.on, "client": alarm.client_id, "left_s": left_s}
                log.error(f"client_{alarm.kind}", extra=extra)
        self.alarms = plan.alarms

    # Steps

    async def _do(self, step: Step) -> None:
        here, there = (self.a, self.b) if step.on == self.a.chain.name else (self.b, self.a)
        try:
            match step:
                case Update():
                    await self._update(step, here, there)
                case Deliver():
                    await self._deliver(step, here, there)
                case Freeze():
                    assert self.hub is not None and here.side is not None and here.side.client is not None
                    await self._send(here.chain, await delivery.freeze(here.side.client, self.hub, here.chain))
                case _ as unreachable:
                    assert_never(unreachable)
        except TwoHeaders as fork:
            await self._report(fork, here, there)
            raise

    async def _update(self, step: Update, here: End, there: End) -> None:
        assert here.side is not None and there.side is not None and here.side.client is not None
        if step.is_at_hub:
            assert self.hub is not None and here.side.hub is not None
            hub_client = here.side.hub
            messages = await delivery.updates(hub_client, there.chain, None, self.hub, there.side.tip.height)
            await self._send(self.hub, messages)
        else:
            height = there.side.tip.height if here.side.hub is None else here.side.hub.latest
            messages = await delivery.updates(here.side.client, there.chain, self.hub, here.chain, height)
            here.promise = await self._send(here.chain, messages), height
        log.info("client_updated", extra={"route": self.name, "chain": step.on, "reason": step.reason, "at_hub": step.is_at_hub})

    async def _deliver(self, step: Deliver, here: End, there: End) -> None:
        assert here.side is not None and here.side.client is not None
        client = here.side.client
        messages = await delivery.updates(client, there.chain, self.hub, here.chain, step.height) if step.has_update else []
        root = None if step.has_update else client.root
        incoming, outgoing = (self.b_to_a, self.a_to_b) if here is self.a else (self.a_to_b, self.b_to_a)
        work = [
            *((incoming, sequence, delivery.receive) for sequence in step.receive),
            *((outgoing, sequence, delivery.acknowledge) for sequence in step.acknowledge),
            *((outgoing, sequence, delivery.time_out) for sequence in step.time_out),
        ]
        sources: list[tuple[PacketTable, int] | None] = [None] * len(messages)
        for table, sequence, make in work:
            try:
                message = await make(there.chain, table.packets[sequence], step.height, root)
            except Rejected as error:
                self._refuse(table, sequence, error, there)
            else:
                messages.append(message)
                sources.append((table, sequence))
        if any(sources):  # else nothing is left that the update would be for
            at = await self._send(here.chain, messages, sources, there)
            here.promise = (at, step.height) if step.has_update and at else here.promise
            extra = {"received": len(step.receive), "acknowledged": len(step.acknowledge), "timed_out": len(step.time_out)}
            log.info("packets_brought", extra={"route": self.name, "chain": step.on, "height": step.height} | extra)

    async def _send(
        self,
        chain: ChainAdapter,
        messages: Sequence[Message],
        sources: Sequence[tuple[PacketTable, int] | None] | None = None,
        there: End | None = None,
    ) -> int:
        """Submit in as few transactions as hold them; a packet that the chain refuses is left out and the others sent again.

        Returns the block in which the last of them is, 0 if none is.
        """
        left = list(zip(messages, sources or [None] * len(messages), strict=True))
        height = 0
        while left:
            part = left[: chain.room([message for message, _ in left])]
            outcome = await chain.submit([message for message, _ in part])
            if outcome.failed is None:
                height = outcome.height
                for message, source in part:
                    self._done(message, source, outcome.height)
                left = left[len(part) :]
                continue
            assert outcome.error is not None
            refused = part[min(outcome.failed, len(part) - 1)]
            self.counts.refused += 1
            if refused[1] is None or there is None:
                raise outcome.error
            table, sequence = refused[1]
            self._refuse(table, sequence, outcome.error, there)
            if table.packets[sequence].tries % _TURN_TRIES == 0:
                chain.turn()
            left.remove(refused)
        if height:
            await chain.tip(at_least=height + 1)  # what was applied can be proved from there on; after a refusal no block need follow
        return height

    def _done(self, message: Message, source: tuple[PacketTable, int] | None, height: int) -> None:
        delivery.count(self.counts, message)
        if source is not None:
            table, sequence = source
            delivery.note(table.packets[sequence], message, height)

    def _refuse(self, table: PacketTable, sequence: int, error: ChainError, there: End) -> None:
        """A packet could not be proved, or was refused: try again later, with what the endpoints then say of it."""
        table.failed(sequence, error, self.now_ns())
        one = table.packets[sequence]
        extra = {"route": self.name, "sequence": sequence, "source_client": table.source_client, "tries": one.tries}
        log.warning("packet_refused", extra=extra | {"code": error.code.name, "reason": error.detail})
        one.is_checked = False
        if error.code is ENDPOINT_LIES and one.answered_height is not None:  # the answer was invented: what is true is looked for again
            there.chain.doubt(error.detail)
            there.scanned = min(there.scanned, one.answered_height - 1)
            one.received_height = one.answered_height = one.acknowledgement = None

    async def _report(self, fork: TwoHeaders, here: End, there: End) -> None:
        """INV-79: freeze the client of a chain that has two headers of one height."""
        assert here.side is not None and here.side.client is not None
        log.error("two_headers", extra={"route": self.name, "chain": there.chain.name, "reason": fork.detail})
        client = here.side.client
        if client.hub is not None:
            return  # the hub's client is reported to by who updates it
        await self._send(here.chain, [Misbehaviour(client.client_id, await there.chain.misbehaviour(client, fork.evidence))])
