"""Why a contract of ours on an EVM chain refused: the names of the errors in `contracts/solidity`, and their reasons."""

from chainnode.errors import Malformed
from chainnode.foreign.abi import SELECTOR_BYTES, dynamic, selector

_PLAIN = ("NotActive", "UnknownState", "UnknownSet", "TrustExpired", "NotEnoughTrust", "BadKey", "NoMisbehaviour")
_OF_OUTBOX = ("NotOwner", "NotApplication", "AlreadySet", "BadTimeout", "OutOfGas")
_WITH_REASON = ("BadHeader", "BadCommit", "BadProof", "BadPacket", "Error")
_NAMES = {selector(f"{name}()"): name for name in (*_PLAIN, *_OF_OUTBOX)} | {selector(f"{name}(string)"): name for name in _WITH_REASON}
_TEXT_LENGTH_MAX = 200


def refusal(data: bytes) -> str:
    """What a contract gave as the reason when it reverted, in words."""
    name = _NAMES.get(data[:SELECTOR_BYTES])
    if name is None:
        return f"another error, {data[:SELECTOR_BYTES].hex() or 'without a reason'}"
    if name not in _WITH_REASON:
        return name
    try:
        return f"{name}: {dynamic(data[SELECTOR_BYTES:], 0).decode(errors='replace')[:_TEXT_LENGTH_MAX]}"
    except Malformed:
        return name
