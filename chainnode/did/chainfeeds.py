"""What chains report of themselves: six feeds in the field names of Xinghuo's platform. Source: Xinghuo Open API, sections 4.3 to 4.8.

A report is the chain's own word. What it says of a block can be compared with a header that a light client has verified.
"""

import hashlib
from dataclasses import dataclass

from chainnode import codec
from chainnode.bid import ACSN_LENGTH
from chainnode.did.fieldtables import Group, ListOf, Loose, Text, Whole, cleaned
from chainnode.errors import Malformed
from chainnode.types.codes import BAD_FEED, FEED_UNKNOWN
from chainnode.types.limits import CHAIN_FEED_BYTES_MAX, CHAIN_FEED_LIST_MAX, DID_BYTES_MAX, STATE_VALUE_BYTES_MAX
from chainnode.types.transaction import Value

_INT63_MAX = 2**63 - 1
_AC, _BID, _NAME, _NUMBER = Text(4, pattern="[0-9a-z]{4}"), Text(64), Text(128), Whole()
_HASH = Text(64, pattern="[0-9a-fA-F]{64}")
_EXTRA = Loose(1024)
_LONG = Text(CHAIN_FEED_BYTES_MAX, is_free=True)
_COUNTS = (
    *("blockHeight", "validationNodeCount", "totalNodeCount", "systemContractCount", "normalContractCount"),
    *("serviceNodeCount", "txNumber", "accountCount", "tps"),
)
_NODE = Group(
    {
        "nodeAddress": _NAME,
        "name": _NAME,
        "createTime": _NUMBER,
        "bindNodeBid": _BID,
        "owner": _BID,
        "type": _NUMBER,
        "p2pAddress": Text(64),
        "serverType": _NUMBER,
        "hostIp": Text(64),
        "cloudName": _NUMBER,
    },
    {"location": Group({}, {"district": Text(32)}), "extra": _EXTRA},
)
_RUNNING_NUMBERS = (
    *("delay", "upTraffic", "downTraffic", "latestBlockHeight", "latestTxNum", "latestAccountNum", "unblockedTxNum"),
    *("cpuUsage", "memoryUsage", "diskUsage", "memoryUsed", "diskUsed", "ledgerDBUsed", "accountDBUsed", "kvDBUsed"),
    *("loadavg", "diskRead", "diskWrite", "tcpCount", "time"),
)
_RUNNING = Group(
    {"nodeAddress": _NAME, "status": Whole(2), "latestBlockHash": _HASH, **dict.fromkeys(_RUNNING_NUMBERS, _NUMBER)}, {"extra": _EXTRA}
)
_BLOCK = Group(
    {
        "height": _NUMBER,
        "nodeAddress": _NAME,
        "nodeName": _NAME,
        "txNum": _NUMBER,
        "blockHash": _HASH,
        "time": _NUMBER,
        "size": _NUMBER,
    },
    {"preBlockHash": _HASH, "internalChainId": _NAME, "extra": _EXTRA},
)
_TRANSACTION = Group(
    {
        "hash": Text(64),
        "content": _LONG,
        "time": _NUMBER,
        "height": _NUMBER,
        "status": Text(2, ("0", "1")),
        "txSign": _LONG,
        "size": _NUMBER,
    },
    {"contractBid": _NAME, "internalChainId": _NAME, "extra": _EXTRA},
)
_CONTRACT = Group(
    {
        "ownerAddress": _BID,
        "contractAddress": _BID,
        "time": _NUMBER,
        "contractType": Whole(7),
        "industryType": Text(4),
        "payload": _LONG,
        "vm": Text(16),
        "version": Text(16),
    },
    {"name": _NAME, "internalChainId": _NAME, "extra": _EXTRA},
)


def _list_of(name: str, item: Group) -> Group:
    return Group({"chainCode": _AC, name: ListOf(item, CHAIN_FEED_LIST_MAX, count_min=1)}, {"gatewayAddress": _BID})


STATUS, NODES, RUNNING, BLOCKS, TRANSACTIONS, CONTRACTS = "status", "nodes", "running", "blocks", "transactions", "contracts"
_BLOCK_LIST, _RUNNING_LIST = "blockList", "nodeRunningList"
FEEDS: dict[str, Group] = {
    STATUS: Group({"chainCode": _AC, **dict.fromkeys(_COUNTS, _NUMBER)}, {"gatewayAddress": _BID, "extra": _EXTRA}),
    NODES: _list_of("nodeList", _NODE),
    RUNNING: _list_of(_RUNNING_LIST, _RUNNING),
    BLOCKS: _list_of(_BLOCK_LIST, _BLOCK),
    TRANSACTIONS: _list_of("txList", _TRANSACTION),
    CONTRACTS: _list_of("smartContractList", _CONTRACT),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The newest report of a feed: `content` as it was sent, without empty fields, and the SHA-256 of its canonical bytes."""

    ac: str
    feed: str
    content: dict[str, Value]
    digest: bytes
    by: str
    height: int
    time_ms: int


def read_content(feed: str, value: Value) -> dict[str, Value]:
    """What a report says. Malformed(FEED_UNKNOWN), (BAD_FEED) names what is wrong."""
    if feed not in FEEDS:
        raise Malformed(FEED_UNKNOWN, f"the feeds are {', '.join(FEEDS)}")
    content = cleaned(value, FEEDS[feed], BAD_FEED)
    assert isinstance(content, dict)
    if len(codec.encode(content)) > CHAIN_FEED_BYTES_MAX:
        raise Malformed(BAD_FEED, f"a report has at most {CHAIN_FEED_BYTES_MAX} bytes")
    return content


def blocks_in(feed: str, content: dict[str, Value]) -> tuple[tuple[int, bytes], ...]:
    """Height and hash of each block that a report names; of those below them too, where it names these."""
    found: list[tuple[int, bytes]] = []
    rows = codec.as_array(content.get({BLOCKS: _BLOCK_LIST, RUNNING: _RUNNING_LIST}.get(feed, ""), ()))
    for row in rows:
        assert isinstance(row, dict), "read_content has seen to it"
        height = row["height" if feed == BLOCKS else "latestBlockHeight"]
        assert isinstance(height, int)
        found.append((height, bytes.fromhex(str(row["blockHash" if feed == BLOCKS else "latestBlockHash"]))))
        if "preBlockHash" in row and height > 1:
            found.append((height - 1, bytes.fromhex(str(row["preBlockHash"]))))
    return tuple(dict.fromkeys(found))


def digest_of(content: dict[str, Value]) -> bytes:
    """What stands for a report in the evidence log. 32 bytes."""
    return hashlib.sha256(codec.encode(content)).digest()


def encode_report(one: Report) -> bytes:
    """The value of a feed's key in store `chains`."""
    return codec.encode((one.ac, one.feed, one.content, one.digest, one.by, one.height, one.time_ms))


def decode_report(value: bytes) -> Report:
    """The report in a value; Malformed."""
    ac, feed, content, digest, by, height, time_ms = codec.as_array(codec.decode(value, bytes_max=STATE_VALUE_BYTES_MAX), 7)
    name = codec.as_str(feed, 16)
    return Report(
        ac=codec.as_str(ac, ACSN_LENGTH),
        feed=name,
        content=read_content(name, content),
        digest=codec.as_bytes(digest, 32),
        by=codec.as_str(by, DID_BYTES_MAX),
        height=codec.as_int(height, 0, _INT63_MAX),
        time_ms=codec.as_int(time_ms, 0, _INT63_MAX),
    )


def report_time_ms(value: bytes) -> int:
    """When the report in a value was made, without a look at what it says: a tenth of the work."""
    return codec.as_int(codec.as_array(codec.parse(value, bytes_max=STATE_VALUE_BYTES_MAX), 7)[6], 0, _INT63_MAX)
