"""What chains report of themselves: kept as their own word, compared with what their light clients have verified."""

from chainnode.did.chainfeeds import FEEDS, Report, blocks_in, decode_report, digest_of, encode_report, read_content, report_time_ms
from chainnode.did.chainrecord import ChainRecord
from chainnode.errors import Malformed, Rejected
from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.foreign.heights import RevisionHeight, revision_of
from chainnode.types.codes import BAD_FEED, FEED_CONTRADICTED, FEED_TOO_SOON, NOT_OPERATOR
from chainnode.types.limits import CHAIN_FEED_MS_MIN
from chainnode.types.transaction import Event, Value
from contracts import chains, evidence, roles
from contracts.chains import NAME

IBC = "ibc"
_REPORT_PREFIX = b"\x06"  # ‖ AC number (4) ‖ place of the feed (1)
_PLACES = {name: bytes([place]) for place, name in enumerate(FEEDS)}


def report_key(ac: str, feed: str) -> bytes:
    """The key of the newest report of a feed in the store `chains`. 6 bytes."""
    return _REPORT_PREFIX + ac.encode() + _PLACES[feed]


def newest(state: State, ac: str, feed: str) -> Report | None:
    """The newest report of a feed."""
    value = state.store(NAME).get(report_key(ac, feed))
    return None if value is None else decode_report(value)


@method
def report(call: Call, state: State, ac: str, feed: str, content: Value) -> Value:
    """Report of a chain: `status`, `nodes`, `running`, `blocks`, `transactions` or `contracts`, at most one a minute of each.

    By the operator or one of its gateways. The newest of each feed is kept, the digests of all go to the evidence log.
    Returns the place of the digest in the log.
    """
    roles.require_member(state, call)
    found = chains.require_open(state, ac, call.time_ms)
    by = next((did for did in call.signers if did == found.operator or did in found.gateways), None)
    if by is None:  # INV-70
        raise Rejected(NOT_OPERATOR, f"neither {found.operator} nor a gateway of the chain {ac} has signed")
    read = _read(feed, content)
    require(read["chainCode"] == ac, BAD_FEED, f"chainCode is not {ac}")
    require(read.get("gatewayAddress", by) in (by, found.operator, *found.gateways), BAD_FEED, "gatewayAddress is no gateway of the chain")
    before = state.store(NAME).get(report_key(ac, feed))
    is_due = before is None or call.time_ms >= report_time_ms(before) + CHAIN_FEED_MS_MIN
    require(is_due, FEED_TOO_SOON, f"reports of a feed are at least {CHAIN_FEED_MS_MIN} ms apart")
    _, contradicted = compared(state, found, feed, read)
    require(not contradicted, FEED_CONTRADICTED, f"block {contradicted[0] if contradicted else 0} is another one")
    made = Report(ac, feed, read, digest_of(read), by, call.height, call.time_ms)
    state.store(NAME).put(report_key(ac, feed), encode_report(made))
    logged = evidence.record(call, state, (("sha-256", made.digest, f"chain {ac} {feed}".encode()),))
    attributes: dict[str, Value] = {"ac": ac, "feed": feed, "digest": made.digest, "by": by}
    state.emit(Event(NAME, "reported", attributes))
    assert isinstance(logged, tuple)
    return logged[0]


def compared(state: State, one: ChainRecord, feed: str, content: dict[str, Value]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Heights of reported blocks that are those of verified headers, and of those that are not. INV-70: the rest is its own word."""
    covered: list[int] = []
    contradicted: list[int] = []
    for height, block_hash in blocks_in(feed, content):
        verified = verified_hash(state, one, height)
        if verified is not None:
            (covered if verified == block_hash else contradicted).append(height)
    return tuple(dict.fromkeys(covered)), tuple(dict.fromkeys(contradicted))


def is_covered(feed: str, content: dict[str, Value], covered: tuple[int, ...]) -> bool:
    """Whether each block that a report names is one of these: at least one, and height and hash of all."""
    heights = {height for height, _ in blocks_in(feed, content)}
    return bool(heights) and heights <= {*covered}


def verified_hash(state: State, one: ChainRecord, height: int) -> bytes | None:
    """The hash of a chain's header that its light client holds, if it does."""
    if not one.client_id or height < 1:
        return None
    at = RevisionHeight(revision_of(one.chain_id), height)
    return state.store(IBC).get(f"clients/{one.client_id}/headers/{at}".encode())


def _read(feed: str, content: Value) -> dict[str, Value]:
    try:
        return read_content(feed, content)
    except Malformed as error:
        raise Rejected(error.code, error.detail) from error
