"""What became of submitted transactions: as a node tells it, and as it is proved."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainnode import codec
from chainnode.client.failures import NotProved, TransactionFailed
from chainnode.client.proved import Proved
from chainnode.client.questions import NOT_APPLIED
from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.types.bundle import TransactionFact
from chainnode.types.codes import BLOCK_BUSY, CODES, MALFORMED, OK, SUITE_MISSING, Code
from chainnode.types.limits import CLIENT_ANSWER_BYTES_MAX
from chainnode.types.transaction import Value

_INT64_MAX, _UINT32_MAX = 2**63 - 1, 2**32 - 1
_NODE_CODES_MIN = 900  # codes from here on are about a node or the moment
_TEXT_LENGTH_MAX = 4096
_CODES_BY_NUMBER = {code.number: code for code in CODES.values()}


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """An applied transaction: its block, and what each call returned.

    `proof` is None when the client was told not to verify, or verified the whole block (`submit_many`).
    """

    tx_id: bytes
    height: int
    values: tuple[Value, ...]
    proof: Proved[TransactionFact] | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One transaction of a submission, by the word of the node that took it.

    `height` and `result` are None when it is in no block yet: `code` says why not, OK when it was not waited for.
    """

    tx_id: bytes
    code: Code
    detail: str
    height: int | None
    result: bytes | None

    @property
    def is_applied(self) -> bool:
        """Whether a block has applied it, whatever came of it."""
        return self.height is not None and self.code.number not in NOT_APPLIED

    def error(self) -> ChainError:
        """Why it is not applied: Unavailable when it is worth another try."""
        is_moment = self.code.number >= _NODE_CODES_MIN or self.code in (OK, SUITE_MISSING, BLOCK_BUSY)
        return (Unavailable if is_moment else Rejected)(self.code, self.detail)


def decode_outcomes(content: bytes, tx_ids: Sequence[bytes]) -> list[Outcome]:
    """The outcomes of these transactions in a node's answer in msgpack. NotProved(MALFORMED) for anything else."""
    try:
        values = codec.as_array(codec.decode(content, bytes_max=CLIENT_ANSWER_BYTES_MAX), len(tx_ids))
        return [_outcome(codec.as_array(one, 7), tx_id) for one, tx_id in zip(values, tx_ids, strict=True)]
    except Malformed as error:
        raise NotProved(MALFORMED, f"the answer to a submission: {error.detail}") from error


def _outcome(fields: tuple[Value, ...], tx_id: bytes) -> Outcome:
    """[tx id or nil, code, name, detail, height or nil, index or nil, result data or nil]."""
    said_id, number, name, detail, height, _, result = fields
    if said_id != tx_id and (said_id, result) != (None, None):
        raise Malformed(MALFORMED, "an outcome of another transaction")
    if result is not None and number != OK.number:
        _, _, detail = codec.as_array(codec.decode(codec.as_bytes(result), bytes_max=CLIENT_ANSWER_BYTES_MAX), 3)
    return Outcome(
        tx_id=tx_id,
        code=_code_of(codec.as_int(number, 0, _UINT32_MAX), codec.as_str(name, _TEXT_LENGTH_MAX)),
        detail=codec.as_str(detail, _TEXT_LENGTH_MAX),
        height=None if result is None else codec.as_int(height, 1, _INT64_MAX),
        result=None if result is None else codec.as_bytes(result),
    )


def receipt_of(tx_id: bytes, height: int, code: int, result: bytes, proof: Proved[TransactionFact] | None) -> TransactionReceipt:
    """The receipt of an applied transaction. TransactionFailed when a rule said no."""
    values = codec.as_array(codec.decode(result, bytes_max=CLIENT_ANSWER_BYTES_MAX))
    if code == OK.number:
        return TransactionReceipt(tx_id, height, values, proof)
    name, call_index, detail = codec.as_array(values, 3)
    raise TransactionFailed(
        _code_of(code, codec.as_str(name, _TEXT_LENGTH_MAX)),
        codec.as_str(detail, _TEXT_LENGTH_MAX),
        tx_id=tx_id,
        height=height,
        call_index=codec.as_int(call_index, 0, _INT64_MAX),
    )


def _code_of(number: int, name: str) -> Code:
    """The code with this number; one of a later version of the rules than ours has no meaning here."""
    return _CODES_BY_NUMBER.get(number) or Code(number, name, "This version of the client does not know the code.")
