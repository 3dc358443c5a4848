"""What the outbox in Solidity must do, each as a function of an outbox on a machine: for the contract as it is, and for bent ones."""

from dataclasses import dataclass, replace

from chainnode.foreign import evmoutbox, trie
from chainnode.foreign.abi import address, call
from chainnode.foreign.evmoutbox import slot_of
from chainnode.foreign.heights import RevisionHeight
from chainnode.foreign.packetbytes import (
    ERROR_ACKNOWLEDGEMENT,
    RECEIPT,
    Acknowledgement,
    Packet,
    Payload,
    acknowledgement_commitment,
    acknowledgement_key,
    commitment_key,
    packet_commitment,
    receipt_key,
)
from tests.evm.followed import REVISION, START_S, Chain, Followed, refused
from tests.evm.machine import Machine, Sent, hexed, unhexed

THERE, HERE = "chainnode-0", "21-qbft-0"  # the EVM chain's client of us, our client of it
PORT = "echo-app"
LATER_S = START_S + 3600


def payload(value: bytes = b"value", **more: str) -> Payload:
    names = {"source_port": PORT, "destination_port": PORT, "version": "v1", "encoding": "text/plain"} | more
    return Payload(**names, value=value)


@dataclass
class Boxed:
    """An outbox on a machine, with an application, beside a client of a chain of ours."""

    machine: Machine
    codes: dict[str, bytes]

    def __post_init__(self) -> None:
        self.followed = Followed(self.machine, self.codes["CometClient"], Chain())
        self.chain = self.followed.chain
        self.box = self.machine.deploy(self.codes["Outbox"], THERE, address(self.followed.address))
        self.application = self.machine.deploy(self.codes["EchoApplication"], address(self.box))
        self.tell("setCounterparty(string)", HERE)
        self.tell("setApplication(string,address)", PORT, address(self.application))

    def tell(self, signature: str, *arguments) -> Sent:
        return self.machine.send(self.box, call(signature, *arguments))

    def count(self, name: str) -> int:
        """How often the application was called for something."""
        return self.machine.number_of(self.application, f"{name}()")

    def kept(self, key: bytes) -> bytes:
        """The commitment under a key."""
        return unhexed(str(self.machine.ask("eth_getStorageAt", hexed(self.box), hexed(slot_of(key)), "latest"))).rjust(32, b"\0")

    def send(self, made: Payload | None = None, timeout_s: int = LATER_S) -> Packet:
        """A packet that the application has sent."""
        sent = self.machine.send(self.application, evmoutbox.send(made or payload(), timeout_s))
        (log,) = sent.logs
        assert unhexed(log["topics"][0]) == evmoutbox.SEND_TOPIC
        return evmoutbox.read_sent(unhexed(log["data"]))

    def packet(self, value: bytes = b"value", sequence: int = 1, **more) -> Packet:
        """A packet of ours."""
        return replace(Packet(sequence, HERE, THERE, LATER_S, (payload(value),)), **more)

    def commit(self, *packets: Packet) -> None:
        """Our chain sends packets; the client learns of it."""
        for packet in packets:
            self.put(commitment_key(packet.source_client, packet.sequence), packet_commitment(packet))
        self.bring()

    def put(self, key: bytes, value: bytes) -> None:
        self.chain.contents[key] = value

    def bring(self, **more) -> None:
        """The client learns of what our chain holds now, by the header after next."""
        self.chain.decide()
        self.block = self.chain.decide(**more)
        self.followed.update(self.block)

    @property
    def height(self) -> RevisionHeight:
        return RevisionHeight(REVISION, self.block.header.height)

    def receive(self, packet: Packet, *, gas: int = 12_000_000) -> Sent:
        """Bring a packet that `commit` committed to."""
        key = commitment_key(packet.source_client, packet.sequence)
        proof = self.followed.present(self.block, key) if key in self.chain.contents else self.followed.absent(self.block, key)
        return self.machine.send(self.box, evmoutbox.receive(packet, proof, self.height), gas=gas)

    def answer(self, packet: Packet, answer: bytes) -> None:
        """Our chain receives a packet of theirs and acknowledges it."""
        committed = acknowledgement_commitment(Acknowledgement((answer,)))
        self.put(receipt_key(HERE, packet.sequence), RECEIPT)
        self.put(acknowledgement_key(HERE, packet.sequence), committed)
        self.bring()

    def acknowledge(self, packet: Packet, answer: bytes) -> Sent:
        proof = self.followed.present(self.block, acknowledgement_key(HERE, packet.sequence))
        return self.machine.send(self.box, evmoutbox.acknowledge(packet, Acknowledgement((answer,)), proof, self.height))

    def time_out(self, packet: Packet) -> Sent:
        key = receipt_key(HERE, packet.sequence)
        proof = self.followed.present(self.block, key) if key in self.chain.contents else self.followed.absent(self.block, key)
        return self.machine.send(self.box, evmoutbox.time_out(packet, proof, self.height))


def commitments_are_proved_by_the_node(world: Boxed) -> None:
    """What `eth_getProof` of a real node gives, our verifier takes: there, not there, and there no more."""
    first, second = world.send(), world.send(payload(b"another"))
    assert (first.sequence, second.sequence) == (1, 2)
    for sequence, expected in ((1, packet_commitment(first)), (2, packet_commitment(second)), (3, None)):
        assert proved(world, commitment_key(THERE, sequence)) == expected
    world.answer(first, b"done")
    world.acknowledge(first, b"done")
    assert proved(world, commitment_key(THERE, 1)) is None
    assert proved(world, commitment_key(THERE, 2)) == packet_commitment(second)


def proved(world: Boxed, key: bytes) -> bytes | None:
    """What a key holds by a proof of the node."""
    block = world.machine.ask("eth_getBlockByNumber", "latest", False)
    found = world.machine.ask("eth_getProof", hexed(world.box), [hexed(slot_of(key))], block["number"])
    nodes = trie.encode_nodes(
        [unhexed(node) for node in found["accountProof"]], [unhexed(node) for node in found["storageProof"][0]["proof"]]
    )
    return trie.proved_slot(unhexed(block["stateRoot"]), world.box, slot_of(key), nodes)


def only_an_application_sends_from_its_port(world: Boxed) -> None:
    refused("NotApplication", lambda: world.machine.send(world.box, evmoutbox.send(payload(), LATER_S)))
    other = evmoutbox.send(payload(source_port="other-app"), LATER_S)
    refused("NotApplication", lambda: world.machine.send(world.application, other))


def timeouts_lie_ahead_and_not_too_far(world: Boxed) -> None:
    for timeout_s in (0, START_S - 100, START_S + 24 * 3600 + 600):
        made = evmoutbox.send(payload(), timeout_s)
        refused("BadTimeout", lambda made=made: world.machine.send(world.application, made))
    world.send(timeout_s=START_S + 23 * 3600)


def a_packet_is_received_once(world: Boxed) -> None:
    packet = world.packet()
    world.commit(packet)
    (log,) = world.receive(packet).logs
    assert unhexed(log["topics"][0]) == evmoutbox.ACKNOWLEDGEMENT_TOPIC
    expected = Acknowledgement((b"value",))
    assert evmoutbox.read_received(unhexed(log["data"])) == evmoutbox.Received(packet, expected)
    assert world.kept(acknowledgement_key(THERE, 1)) == acknowledgement_commitment(expected)
    assert world.kept(receipt_key(THERE, 1)) != bytes(32) and world.count("received") == 1
    assert world.receive(packet).logs == [] and world.count("received") == 1


def only_what_was_committed_is_received(world: Boxed) -> None:
    packet = world.packet()
    world.commit(packet)
    for bent in (
        world.packet(b"other"),
        replace(packet, timeout_s=LATER_S + 1),
        replace(packet, payloads=(payload(destination_port="other-app"),)),
        replace(packet, payloads=(payload(version="v2"),)),
        replace(packet, payloads=(payload(encoding="text/html"),)),
        replace(packet, payloads=(payload(source_port="other-app"),)),
    ):
        refused("BadProof: another root", lambda bent=bent: world.receive(bent))
    refused("BadPacket: not one payload", lambda: world.receive(replace(packet, payloads=packet.payloads * 2)))
    assert world.kept(receipt_key(THERE, 1)) == bytes(32)


def packets_of_other_clients_are_refused(world: Boxed) -> None:
    for bent in (world.packet(source_client="21-qbft-1"), world.packet(destination_client="chainnode-1")):
        world.commit(bent)
        refused("BadPacket: of other clients", lambda bent=bent: world.receive(bent))


def a_packet_whose_time_has_passed_is_refused(world: Boxed) -> None:
    packet = world.packet(timeout_s=START_S + 600)
    world.commit(packet)
    world.machine.set_time(START_S + 600)
    refused("BadTimeout", lambda: world.receive(packet))


def a_refusal_is_an_error_and_leaves_nothing(world: Boxed) -> None:
    packet, unknown = world.packet(b"no"), world.packet(sequence=2, payloads=(payload(destination_port="unknown"),))
    world.commit(packet, unknown)
    for sequence, one in ((1, packet), (2, unknown)):
        world.receive(one)
        committed = acknowledgement_commitment(Acknowledgement((ERROR_ACKNOWLEDGEMENT,)))
        assert world.kept(acknowledgement_key(THERE, sequence)) == committed
    assert world.count("received") == 0


def a_relayer_cannot_make_a_packet_fail_by_little_gas(world: Boxed) -> None:
    packet = world.packet(b"burn")
    world.commit(packet)
    refused("OutOfGas", lambda: world.receive(packet, gas=3_000_000))
    assert world.kept(receipt_key(THERE, 1)) == bytes(32)


def an_application_answers_something_and_no_error(world: Boxed) -> None:
    packet, second = world.packet(b"empty"), world.packet(ERROR_ACKNOWLEDGEMENT, 2)
    world.commit(packet, second)
    for one in (packet, second):
        refused("BadPacket: not an acknowledgement", lambda one=one: world.receive(one))


def an_application_does_not_get_in_again(world: Boxed) -> None:
    packet = world.packet(b"again")
    world.commit(packet)
    world.receive(packet)
    committed = acknowledgement_commitment(Acknowledgement((ERROR_ACKNOWLEDGEMENT,)))
    assert world.kept(acknowledgement_key(THERE, 1)) == committed
    assert world.kept(commitment_key(THERE, 1)) == bytes(32)
    assert world.send().sequence == 1


def a_packet_is_acknowledged_once(world: Boxed) -> None:
    packet = world.send()
    world.answer(packet, b"done")
    refused("BadProof: another root", lambda: world.acknowledge(packet, b"other"))
    bent = replace(packet, payloads=(payload(b"other"),))
    refused("BadPacket: not the one that was sent", lambda: world.acknowledge(bent, b"done"))
    renamed = replace(packet, source_client="chainnode-1")
    refused("BadPacket: not the one that was sent", lambda: world.acknowledge(renamed, b"done"))
    assert world.count("acknowledged") == 0
    world.acknowledge(packet, b"done")
    assert world.kept(commitment_key(THERE, 1)) == bytes(32) and world.count("acknowledged") == 1
    assert world.acknowledge(packet, b"done").logs == [] and world.count("acknowledged") == 1
    unsent = replace(packet, sequence=9)
    world.answer(unsent, b"done")
    assert world.acknowledge(unsent, b"done").logs == [] and world.count("acknowledged") == 1


def a_packet_times_out_when_it_was_not_received_in_time(world: Boxed) -> None:
    chain = world.chain
    timeout_s = START_S + 600
    packet, received = world.send(timeout_s=timeout_s), world.send(payload(b"received"), timeout_s)
    world.put(receipt_key(HERE, received.sequence), RECEIPT)
    world.bring()
    refused("BadTimeout", lambda: world.time_out(packet))
    world.machine.set_time(timeout_s + 60)
    world.bring(interval_ns=(timeout_s + 30) * 10**9 - chain.maker.blocks[-1].header.time_ns)
    bent = replace(packet, payloads=(payload(b"other"),))
    refused("BadPacket: not the one that was sent", lambda: world.time_out(bent))
    world.time_out(packet)
    assert world.kept(commitment_key(THERE, 1)) == bytes(32) and world.count("timedOut") == 1
    assert world.time_out(packet).logs == [] and world.count("timedOut") == 1
    key = receipt_key(HERE, received.sequence)
    there = world.followed.present(world.block, key)
    elsewhere = world.followed.absent(world.block, key + b"\0")
    for proof in (there, elsewhere):
        ended = evmoutbox.time_out(received, proof, world.height)
        try:
            world.machine.send(world.box, ended)
        except Exception as error:
            assert type(error).__name__ == "Reverted"
        else:
            raise AssertionError("a packet that was received has timed out")
    assert world.kept(commitment_key(THERE, 2)) == packet_commitment(received)


def what_is_set_once_stays(world: Boxed) -> None:
    refused("AlreadySet", lambda: world.tell("setCounterparty(string)", "21-qbft-9"))
    refused("AlreadySet", lambda: world.tell("setApplication(string,address)", PORT, address(world.box)))
    fresh = world.machine.deploy(world.codes["Outbox"], THERE, address(world.followed.address))
    refused("AlreadySet", lambda: world.machine.send(fresh, call("setCounterparty(string)", "")))
    stranger = world.machine.deploy(world.codes["EchoApplication"], address(fresh))
    world.machine.send(fresh, call("setApplication(string,address)", PORT, address(stranger)))
    refused("BadPacket: no counterparty yet", lambda: world.machine.send(stranger, evmoutbox.send(payload(), LATER_S)))


def only_the_owner_sets_anything(world: Boxed) -> None:
    for signature, arguments in (
        ("setCounterparty(string)", ("21-qbft-9",)),
        ("setApplication(string,address)", ("new-app", address(world.box))),
        ("recoverClient(address)", (address(world.box),)),
    ):
        fields = {"from": hexed(world.application), "to": hexed(world.box), "data": hexed(call(signature, *arguments))}
        refused("NotOwner", lambda fields=fields: world.machine.ask("eth_call", fields, "latest"))


def a_client_is_replaced_when_it_takes_nothing_any_more(world: Boxed) -> None:
    other = Followed(world.machine, world.codes["CometClient"], world.chain)
    refused("AlreadySet", lambda: world.tell("recoverClient(address)", address(other.address)))
    packet = world.packet()
    world.commit(packet)
    world.followed.update(world.chain.maker.forged(world.block, app_hash=b"\5" * 32))
    refused("NotActive", lambda: world.receive(packet))
    world.tell("recoverClient(address)", address(other.address))
    other.update(world.block)
    world.receive(packet)
    assert world.count("received") == 1


CHECKS = [
    commitments_are_proved_by_the_node,
    only_an_application_sends_from_its_port,
    timeouts_lie_ahead_and_not_too_far,
    a_packet_is_received_once,
    only_what_was_committed_is_received,
    packets_of_other_clients_are_refused,
    a_packet_whose_time_has_passed_is_refused,
    a_refusal_is_an_error_and_leaves_nothing,
    a_relayer_cannot_make_a_packet_fail_by_little_gas,
    an_application_answers_something_and_no_error,
    an_application_does_not_get_in_again,
    a_packet_is_acknowledged_once,
    a_packet_times_out_when_it_was_not_received_in_time,
    what_is_set_once_stays,
    only_the_owner_sets_anything,
    a_client_is_replaced_when_it_takes_nothing_any_more,
]
