"""The cross-chain message of Xinghuo's network (CCP, BIF-RFC 009), in its field names, as a packet and back.

What both parties agreed on travels in the payload, in one canonical JSON; what became of it is what the packet's proofs say: `status`,
`txList` and `proof` are never believed from a message. Amounts are whole numbers in the smallest unit and rates exact decimals: nothing is
rounded, what does not divide is refused. The table of fields is in `docs/packets.md`.
"""

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from fractions import Fraction
from typing import Any

from chainnode.errors import Malformed
from chainnode.foreign.packetbytes import Packet, Payload
from chainnode.foreign.plainjson import (
    NUMBER_MAX,
    canonical,
    items_of,
    members_of,
    number_of,
    one_of,
    parse,
    refuse_unknown,
    text_of,
)
from chainnode.types.codes import BAD_CCP
from chainnode.types.limits import (
    CCP_BYTES_MAX,
    CCP_INPUTS_MAX,
    CCP_TX_LIST_MAX,
    PACKET_PAYLOAD_BYTES_MAX,
    PACKET_PROOF_BYTES_MAX,
    TEXT_BYTES_MAX,
)

PORT = "ccp"
VERSION = "ccp-1"
ENCODING = "application/json"
_RATE = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{0,17}[1-9])?", re.ASCII)
_AC = re.compile(r"[a-z0-9]{4}", re.ASCII)
_CROSS_TX_NO = re.compile(r"([a-z0-9]{4}):([a-z0-9]{4}):([0-9A-Za-z]{8})", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CARRIED = ("srcAC", "destAC", "crossTxNo", "srcAddress", "destAddress", "txType", "payload", "remark", "extension", "version")
_FIELDS = (*_CARRIED, "txList", "status", "result", "proof")
_PROOF_FIELDS = ("ledgerSeq", "txHash", "header", "certificate", "path")


class TxType(IntEnum):
    """What a message is about."""

    MAIN_POINTS = 0
    SUB_POINTS = 1
    CONTRACT_CALL = 2
    DATA = 3


class Status(IntEnum):
    """What became of a message."""

    INIT = 0
    SUCCESS = 1
    FAIL = 2
    TIMEOUT = 3
    REFUNDED = 4


_NEXT = {
    Status.INIT: (Status.SUCCESS, Status.FAIL, Status.TIMEOUT, Status.REFUNDED),
    Status.FAIL: (Status.REFUNDED,),
    Status.TIMEOUT: (Status.REFUNDED,),
}


@dataclass(frozen=True, slots=True)
class MainPoints:
    """Points of the main chain."""

    amount: int


@dataclass(frozen=True, slots=True)
class SubPoints:
    """Points of one chain for those of another. The rates are points of each chain per one of the main chain."""

    master_amount: int
    src_amount: int
    src_token_rate: Fraction
    dest_amount: int
    dest_token_rate: Fraction


@dataclass(frozen=True, slots=True)
class ContractCall:
    """A call of a contract; `token` is what the message has under that name, as canonical JSON, empty when there is none."""

    method: str
    inputs: tuple[str, ...]
    token: str


@dataclass(frozen=True, slots=True)
class DataTransfer:
    """A BID document, as a JSON text."""

    document: str


Content = MainPoints | SubPoints | ContractCall | DataTransfer


@dataclass(frozen=True, slots=True)
class CcpProof:
    """Where a message stands in its chain, and, which the incumbent has not, what proves it.

    `header`, `certificate` (its commit) and `path` (an ICS-23 MerkleProof to the packet's commitment) are bytes, empty when absent.
    """

    ledger_seq: int
    tx_hash: str
    header: bytes = b""
    certificate: bytes = b""
    path: bytes = b""


@dataclass(frozen=True, slots=True)
class CcpMessage:
    """A message, whose fields are the incumbent's. `result` is None where it has none."""

    src_ac: str
    dest_ac: str
    cross_tx_no: str
    src_address: str
    dest_address: str
    content: Content
    remark: str = ""
    extension: str = ""
    version: str = "1.0.0"
    tx_list: tuple[str, ...] = ()
    status: Status = Status.INIT
    result: int | None = None
    proof: CcpProof | None = None


def read_message(text: str) -> CcpMessage:
    """The message of a JSON text; numbers may be written as texts, as the incumbent does. Malformed(BAD_CCP)."""
    members = parse(text)
    refuse_unknown(members, _FIELDS, "the message")
    proof = members.get("proof")
    hashes = items_of(members.get("txList", []), "txList", CCP_TX_LIST_MAX)
    message = CcpMessage(
        src_ac=text_of(members, "srcAC"),
        dest_ac=text_of(members, "destAC"),
        cross_tx_no=text_of(members, "crossTxNo"),
        src_address=text_of(members, "srcAddress"),
        dest_address=text_of(members, "destAddress"),
        content=_read_content(one_of(TxType, members.get("txType"), "txType"), members_of(members.get("payload"), "payload")),
        remark=text_of(members, "remark", is_optional=True),
        extension=text_of(members, "extension", is_optional=True),
        version=text_of(members, "version"),
        tx_list=tuple(text_of(members_of(one, "an entry of txList"), "hash") for one in hashes),
        status=one_of(Status, members.get("status", 0), "status"),
        result=None if members.get("result") is None else number_of(members["result"], "result", 1),
        proof=None if proof is None else _read_proof(members_of(proof, "proof")),
    )
    check_message(message)
    return message


def write_message(message: CcpMessage) -> str:
    """The one JSON text of a message: members by name, no spaces, amounts, rates and status as texts."""
    check_message(message)
    members = _carried(message) | {"txList": [{"hash": one} for one in message.tx_list], "status": str(message.status.value)}
    if message.result is not None:
        members["result"] = message.result
    if message.proof is not None:
        members["proof"] = _proof_members(message.proof)
    return canonical(members)


def payload_of(message: CcpMessage) -> Payload:
    """The payload that carries a message. Malformed(BAD_CCP) when it is too long."""
    check_message(message)
    value = canonical(_carried(message)).encode()
    _require(len(value) <= PACKET_PAYLOAD_BYTES_MAX, f"the message has {len(value)} bytes; {PACKET_PAYLOAD_BYTES_MAX} are allowed")
    return Payload(PORT, PORT, VERSION, ENCODING, value)


def message_of(packet: Packet, *, status: Status, proof: CcpProof | None) -> CcpMessage:
    """The message of a packet, with what its chain's state and proofs say became of it. Malformed(BAD_CCP)."""
    _require(len(packet.payloads) == 1, "a message is a packet's only payload")
    (payload,) = packet.payloads
    says = (payload.destination_port, payload.version, payload.encoding)
    _require(says == (PORT, VERSION, ENCODING), f"messages go to the port {PORT} as {VERSION} in {ENCODING}")
    try:
        text = payload.value.decode()
    except UnicodeDecodeError as error:
        raise Malformed(BAD_CCP, "the message is not UTF-8") from error
    message = read_message(text)
    _require(canonical(_carried(message)) == text, "the message is not in the one form in which it travels")
    tx_list = () if proof is None else (proof.tx_hash,)
    return replace(message, status=status, proof=proof, tx_list=tx_list)


def cross_tx_no(src_ac: str, dest_ac: str, sequence: int) -> str:
    """The number of the message that is a chain's packet of this sequence: both AC numbers, and eight hexadecimal digits."""
    _require(0 < sequence < 16**8, "eight digits number the packets from 1")
    return f"{src_ac}:{dest_ac}:{sequence:08X}"


def advance(known: CcpMessage | None, new: CcpMessage) -> CcpMessage:
    """What is known of a message after another copy of it came: the same copy, or an older one, changes nothing.

    Malformed(BAD_CCP) when the number stands for something else already, or a message that has ended would end otherwise.
    """
    if known is None:
        return new
    same = known.cross_tx_no == new.cross_tx_no and canonical(_carried(known)) == canonical(_carried(new))
    _require(same, f"{new.cross_tx_no} is the number of another message")
    if new.status == known.status or new.status == Status.INIT or known.status in _NEXT.get(new.status, ()):
        return known
    _require(new.status in _NEXT.get(known.status, ()), f"{new.cross_tx_no} has ended as {known.status.name}, not as {new.status.name}")
    return new


def check_message(message: CcpMessage) -> None:
    """Malformed(BAD_CCP) unless each part is within its bounds and the amounts agree exactly."""
    number = _CROSS_TX_NO.fullmatch(message.cross_tx_no)
    _require(number is not None and number[1] == message.src_ac and number[2] == message.dest_ac, "crossTxNo names other chains")
    _require(_AC.fullmatch(message.src_ac) is not None and message.src_ac != message.dest_ac, "srcAC and destAC name two chains")
    for text in (message.src_address, message.dest_address, message.version):
        _require(0 < len(text.encode()) <= TEXT_BYTES_MAX, f"addresses and version have 1 to {TEXT_BYTES_MAX} bytes")
    for text in (message.remark, message.extension):
        _require(len(text.encode()) <= CCP_BYTES_MAX, f"remark and extension have at most {CCP_BYTES_MAX} bytes")
    _require(all(_HASH.fullmatch(one) for one in message.tx_list), "txList names transactions by 64 hexadecimal digits")
    _require(len(message.tx_list) <= CCP_TX_LIST_MAX, f"txList has at most {CCP_TX_LIST_MAX} entries")
    _check_content(message.content)
    if message.proof is not None:
        parts = (message.proof.header, message.proof.certificate, message.proof.path)
        _require(0 < message.proof.ledger_seq <= NUMBER_MAX, "ledgerSeq is a height")
        _require(_HASH.fullmatch(message.proof.tx_hash) is not None, "txHash has 64 hexadecimal digits")
        _require(max(map(len, parts)) <= PACKET_PROOF_BYTES_MAX, f"a part of the proof has at most {PACKET_PROOF_BYTES_MAX} bytes")


def _check_content(content: Content) -> None:
    match content:
        case MainPoints(amount):
            _require(0 < amount <= NUMBER_MAX, "amount is a whole number above 0")
        case SubPoints():
            amounts = (content.master_amount, content.src_amount, content.dest_amount)
            _require(all(0 < one <= NUMBER_MAX for one in amounts), "amounts are whole numbers above 0")
            rates = (content.src_token_rate, content.dest_token_rate)
            _require(all(_RATE.fullmatch(_rate_text(one)) is not None and one > 0 for one in rates), "rates are decimals above 0")
            is_exact = all(
                content.master_amount * rate == amount for amount, rate in ((content.src_amount, rates[0]), (content.dest_amount, rates[1]))
            )
            _require(is_exact, "masterAmount times each rate is the amount there, exactly: nothing is rounded")
        case ContractCall():
            _require(0 < len(content.method.encode()) <= TEXT_BYTES_MAX, f"contractMethod has 1 to {TEXT_BYTES_MAX} bytes")
            _require(len(content.inputs) <= CCP_INPUTS_MAX, f"contractInput has at most {CCP_INPUTS_MAX} entries")
        case DataTransfer(document):
            parse(document)


def _read_content(kind: TxType, members: dict[str, Any]) -> Content:
    if kind == TxType.MAIN_POINTS:
        refuse_unknown(members, ("amount",), "the payload")
        return MainPoints(number_of(members.get("amount"), "amount"))
    if kind == TxType.SUB_POINTS:
        names = ("masterAmount", "srcAmount", "srcTokenRate", "destAmount", "destTokenRate")
        refuse_unknown(members, names, "the payload")
        master, src, dest = (number_of(members.get(name), name) for name in ("masterAmount", "srcAmount", "destAmount"))
        return SubPoints(master, src, _rate(members, "srcTokenRate"), dest, _rate(members, "destTokenRate"))
    if kind == TxType.CONTRACT_CALL:
        refuse_unknown(members, ("contractMethod", "contractInput", "token"), "the payload")
        inputs = items_of(members.get("contractInput", []), "contractInput", CCP_INPUTS_MAX)
        _require(all(isinstance(one, str) for one in inputs), "contractInput is a list of texts")
        token = members.get("token")
        return ContractCall(
            text_of(members, "contractMethod"), tuple(inputs), "" if token is None else canonical(members_of(token, "token"))
        )
    refuse_unknown(members, ("data",), "the payload")
    return DataTransfer(text_of(members, "data"))


def _content_members(content: Content) -> tuple[TxType, dict[str, Any]]:
    match content:
        case MainPoints(amount):
            return TxType.MAIN_POINTS, {"amount": str(amount)}
        case SubPoints():
            return TxType.SUB_POINTS, {
                "masterAmount": str(content.master_amount),
                "srcAmount": str(content.src_amount),
                "srcTokenRate": _rate_text(content.src_token_rate),
                "destAmount": str(content.dest_amount),
                "destTokenRate": _rate_text(content.dest_token_rate),
            }
        case ContractCall():
            call: dict[str, Any] = {"contractMethod": content.method, "contractInput": list(content.inputs)}
            return TxType.CONTRACT_CALL, call | ({"token": parse(content.token)} if content.token else {})
        case DataTransfer(document):
            return TxType.DATA, {"data": document}


def _carried(message: CcpMessage) -> dict[str, Any]:
    """The members that travel in the payload."""
    kind, payload = _content_members(message.content)
    return {
        "srcAC": message.src_ac,
        "destAC": message.dest_ac,
        "crossTxNo": message.cross_tx_no,
        "srcAddress": message.src_address,
        "destAddress": message.dest_address,
        "txType": str(kind.value),
        "payload": payload,
        "remark": message.remark,
        "extension": message.extension,
        "version": message.version,
    }


def _read_proof(members: dict[str, Any]) -> CcpProof:
    refuse_unknown(members, _PROOF_FIELDS, "the proof")
    try:
        header, certificate, path = (bytes.fromhex(text_of(members, name, is_optional=True)) for name in _PROOF_FIELDS[2:])
    except ValueError as error:
        raise Malformed(BAD_CCP, "header, certificate and path are hexadecimal") from error
    return CcpProof(number_of(members.get("ledgerSeq"), "ledgerSeq"), text_of(members, "txHash"), header, certificate, path)


def _proof_members(proof: CcpProof) -> dict[str, Any]:
    extra = {"header": proof.header, "certificate": proof.certificate, "path": proof.path}
    return {"ledgerSeq": str(proof.ledger_seq), "txHash": proof.tx_hash} | {name: part.hex() for name, part in extra.items() if part}


def _rate(members: dict[str, Any], name: str) -> Fraction:
    text = str(members.get(name)) if type(members.get(name)) is int else text_of(members, name)
    _require(_RATE.fullmatch(text) is not None, f"{name} is a decimal without zeros at its end, of at most 18 digits behind the point")
    return Fraction(text)


def _rate_text(rate: Fraction) -> str:
    """A rate as a decimal; what is none gives a text that is none either."""
    scaled = rate * 10**18
    if scaled.denominator != 1 or scaled < 0:
        return ""
    whole, part = divmod(scaled.numerator, 10**18)
    return f"{whole}.{part:018}".rstrip("0").rstrip(".")


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise Malformed(BAD_CCP, reason)
