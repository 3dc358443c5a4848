"""Two chains with real clients, and a relayer who doubles, reorders, delays, drops and forges: each packet has one end, once."""

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chainnode.foreign.packetbytes import (
    Acknowledgement,
    Packet,
    acknowledgement_key,
    commitment_key,
    decode_acknowledgement,
    encode_acknowledgement,
    encode_packet,
    receipt_key,
)
from contracts import packets
from tests.contracts.packet_world import Bridge, Side, answered, echo, noted
from tests.contracts.receipt_world import Refused

NAMES = st.sampled_from(("a", "b"))
WHO = st.sampled_from(("mia", "bob", "cus"))
LASTS_S = (20, 100, 1000)
HARMLESS = {"packet-timed-out", "timeout-not-reached", "bad-proof", "consensus-unknown", "malformed", "packet-differs", "bad-header"}


@dataclass
class Sent:
    """A packet and what the model knows of it."""

    packet: Packet
    source: Side
    destination: Side
    answer: bytes = b""  # the acknowledgement, once it was received
    end: str = ""  # how it ended on its source
    told: bytes = b""  # what its application was told there


class Relayed(RuleBasedStateMachine):
    """Everything that comes to the chains comes through this relayer."""

    def __init__(self) -> None:
        super().__init__()
        self.apps = echo()
        self.apps.__enter__()
        self.world = Bridge()
        self.sent: list[Sent] = []
        self.heights = {"a": [self.world.known(self.world.b).height], "b": [self.world.known(self.world.a).height]}  # known to the other

    def teardown(self) -> None:
        self.apps.__exit__(None, None, None)

    def side(self, name: str) -> Side:
        """A chain."""
        return self.world.a if name == "a" else self.world.b

    def attempt(self, side: Side, who: str, method: str, *arguments: object) -> str:
        """What a call returns, or the code of its refusal, which leaves no trace."""
        before = side.everything()
        try:
            returned = side.do([who], f"packets.{method}", *arguments)
        except Refused as refusal:
            assert side.everything() == before and refusal.code in HARMLESS, refusal.code
            return refusal.code
        if returned == "already":
            assert side.everything() == before and side.events == ()
        return str(returned)

    @rule(name=NAMES, value=st.sampled_from((b"yes", b"no", b"malformed")), lasts_s=st.sampled_from(LASTS_S), who=WHO)
    def send(self, name: str, value: bytes, lasts_s: int, who: str) -> None:
        source = self.side(name)
        try:
            packet = self.world.send(source, value, lasts_s=lasts_s, who=who)
        except Refused as refusal:
            assert refusal.code == "bad-timeout"  # the other clock is known to be further
            return
        assert packet.sequence == 1 + sum(one.source is source for one in self.sent)
        self.sent.append(Sent(packet, source, self.world.other(source)))

    @rule(name=NAMES, seconds=st.sampled_from((0, 0, 3, 30)))
    def let_time_pass(self, name: str, seconds: int) -> None:
        """Both clocks go on; one of them decides a block."""
        self.world.wait(seconds)
        self.side(name).tick()

    @rule(name=NAMES)
    def told(self, name: str) -> None:
        """A chain's newest header comes to the other."""
        self.tell(name)

    def tell(self, name: str) -> None:
        """Bring a chain's newest header to the other, when that chain's clock allows it."""
        told, teller = self.world.other(self.side(name)), self.side(name)
        if told.next_ms < teller.header_ms:
            told.wait_until(teller.header_ms + 1)
        try:
            self.world.update(told)
        except Refused as refusal:
            assert refusal.code in HARMLESS, str(refusal)
            return
        if teller.height not in self.heights[name]:
            self.heights[name].append(teller.height)

    def drawn(self, data: st.DataObject) -> Sent:
        """One of the packets, rather one that is open."""
        still_open = [one for one in self.sent if not one.end]
        return data.draw(st.sampled_from(still_open * 3 + self.sent))

    def proof(self, data: st.DataObject, side: Side, key: bytes) -> tuple[bytes, str]:
        """A proof by one of the headers that the other chain knows, new or old; sometimes of another, sometimes bent."""
        if data.draw(st.sampled_from((True, True, False))):
            side.tick()
            self.tell(side.name)
        known = self.heights[side.name]
        height = data.draw(st.sampled_from([*known[-1:] * 2 * len(known), *known]))
        proof, text = side.prove(key, height)
        how = data.draw(st.sampled_from((*["good"] * 8, "bent", "cut", "other height")))
        if how == "bent":
            place = data.draw(st.integers(0, len(proof) - 1))
            proof = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        elif how == "cut":
            proof = proof[:-1]
        elif how == "other height":
            text = f"1-{height + 1}"
        return proof, text

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), who=WHO)
    def deliver(self, data: st.DataObject, who: str) -> None:
        """Bring a packet: for the first time or again, in time or late."""
        one = self.drawn(data)
        key = commitment_key(one.packet.source_client, one.packet.sequence)
        proof, height = self.proof(data, one.source, key)
        was_received, now_ms = bool(one.answer), one.destination.next_ms
        result = self.attempt(one.destination, who, "receive", encode_packet(one.packet), proof, height)
        if was_received:
            assert result == "already"
        elif result in ("accepted", "refused"):
            assert now_ms < one.packet.timeout_s * 1000 and one.end == ""
            assert (result == "accepted") == (one.packet.payloads[0].value == b"yes")
            one.answer = answered(one.destination)
        else:
            assert result in HARMLESS

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_another(self, data: st.DataObject) -> None:
        """Bring a packet that nobody sent."""
        one = self.drawn(data)
        forged = replace(one.packet, payloads=(replace(one.packet.payloads[0], value=b"forged"),))
        proof, height = self.proof(data, one.source, commitment_key(one.packet.source_client, one.packet.sequence))
        result = self.attempt(one.destination, "mia", "receive", encode_packet(forged), proof, height)
        assert result in HARMLESS or (result == "already" and one.answer)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), who=WHO)
    def answer(self, data: st.DataObject, who: str) -> None:
        """Bring what the other chain answered, or something else."""
        received = [one for one in self.sent if one.answer and not one.end]
        one = data.draw(st.sampled_from(received * 5 + self.sent))
        made_up = encode_acknowledgement(Acknowledgement((b"made up",)))
        said = data.draw(st.sampled_from((*[one.answer or made_up] * 4, made_up)))
        proof, height = self.proof(data, one.destination, acknowledgement_key(one.packet.destination_client, one.packet.sequence))
        result = self.attempt(one.source, who, "acknowledge", encode_packet(one.packet), said, proof, height)
        if one.end:
            assert result == "already"
        elif result in ("accepted", "refused"):
            assert said == one.answer and (result == "accepted") == (one.packet.payloads[0].value == b"yes")
            one.end, one.told = "acknowledge", decode_acknowledgement(said).app_acknowledgements[0] + b";"
        else:
            assert result in HARMLESS

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), who=WHO)
    def time_out(self, data: st.DataObject, who: str) -> None:
        """Claim that a packet did not come in time."""
        one = self.drawn(data)
        proof, height = self.proof(data, one.destination, receipt_key(one.packet.destination_client, one.packet.sequence))
        result = self.attempt(one.source, who, "time_out", encode_packet(one.packet), proof, height)
        if one.end:
            assert result == "already"
        elif result == "timed out":
            assert not one.answer, "a received packet timed out"
            one.end, one.told = "time_out", one.source.did(who).encode() + b";"
        else:
            assert result in HARMLESS

    @invariant()
    def each_packet_has_one_end(self) -> None:
        for one in self.sent:
            sequence, value = one.packet.sequence, one.packet.payloads[0].value
            assert noted(one.destination, "receive", sequence) == (value + b";" if one.answer and value == b"yes" else None)
            for end in ("acknowledge", "time_out"):
                assert noted(one.source, end, sequence) == (one.told if one.end == end else None)
            is_open = one.source.value("ibc", commitment_key(one.packet.source_client, sequence)) is not None
            assert is_open == (one.end == "") == (packets.sender_of(one.source.state, one.packet.source_client, sequence) is not None)
            has_receipt = one.destination.value("ibc", receipt_key(one.packet.destination_client, sequence)) is not None
            assert has_receipt == bool(one.answer)

    @invariant()
    def open_packets_are_counted(self) -> None:
        for side in (self.world.a, self.world.b):
            still_open = sum(one.source is side and not one.end for one in self.sent)
            assert packets.open_count(side.state, self.world.ids[side.name]) == still_open
            by_sender = side.state.store("packets").iterate(b"\x02", limit=100)
            assert sum(value[0] for _, value in by_sender) == still_open


Relayed.TestCase.settings = settings(stateful_step_count=40)
TestRelayed = Relayed.TestCase
