"""Reports of chains in Xinghuo's field names: examples of its page, and what is refused."""

from copy import deepcopy
from typing import Any

import pytest

from chainnode import codec
from chainnode.did.chainfeeds import FEEDS, Report, blocks_in, decode_report, digest_of, encode_report, read_content
from chainnode.errors import Malformed
from chainnode.types.limits import CHAIN_FEED_BYTES_MAX, CHAIN_FEED_LIST_MAX

HASH = "71a4abdc812bb6d94c56e3a2a849250747a76dbab5559f6fc89338876d4b879f"
GATE = "did:bid:efb8Ehu9SGVCTm2BbvpPiQjzNWo4LQAA"
NODE = "did:bid:ynjr:ef6bRF4FDPzjvatNmFu6YAvegBtcv86r"
EXAMPLES: dict[str, dict[str, Any]] = {
    "status": {
        "chainCode": "by01",
        "gatewayAddress": GATE,
        "blockHeight": 50003,
        "txNumber": 200000,
        "tps": 101,
        "validationNodeCount": 0,
        "totalNodeCount": 0,
        "systemContractCount": 0,
        "normalContractCount": 0,
        "serviceNodeCount": 0,
        "accountCount": 0,
    },
    "nodes": {
        "chainCode": "ynjr",
        "gatewayAddress": GATE,
        "nodeList": (
            {
                "nodeAddress": NODE,
                "name": "业务节点1",
                "createTime": 1593338217000,
                "bindNodeBid": NODE,
                "owner": NODE,
                "type": 1,
                "location": {"district": "810008"},
                "p2pAddress": "127.0.0.1:18001",
                "serverType": 0,
                "hostIp": "192.168.1.12",
                "cloudName": 1,
            },
        ),
    },
    "running": {
        "chainCode": "ynjr",
        "nodeRunningList": (
            {
                "nodeAddress": NODE,
                "status": 1,
                "delay": 300,
                "upTraffic": 10000,
                "downTraffic": 1000,
                "latestBlockHeight": 1000,
                "latestBlockHash": HASH,
                "latestTxNum": 1000,
                "latestAccountNum": 1000,
                "unblockedTxNum": 1000,
                "cpuUsage": 10,
                "memoryUsage": 30,
                "diskUsage": 5,
                "memoryUsed": 1048576,
                "diskUsed": 104857600,
                "ledgerDBUsed": 1024,
                "accountDBUsed": 100,
                "kvDBUsed": 1024,
                "loadavg": 70,
                "diskRead": 1024,
                "diskWrite": 1024,
                "tcpCount": 10,
                "time": 1593338217000,
                "extra": "{}",
            },
        ),
    },
    "blocks": {
        "chainCode": "ynjr",
        "blockList": (
            {
                "height": 9,
                "nodeAddress": NODE,
                "nodeName": "one",
                "txNum": 3,
                "preBlockHash": "ab" * 32,
                "blockHash": HASH,
                "time": 1593338217000,
                "size": 900,
                "internalChainId": "channel",
                "extra": {"channelName": "one"},
            },
        ),
    },
    "transactions": {
        "chainCode": "by01",
        "txList": (
            {
                "hash": HASH,
                "content": HASH,
                "time": 1593338217000,
                "height": 10,
                "status": "0",
                "txSign": "{sign:1234}",
                "contractBid": "0",
                "size": 100,
                "internalChainId": "",
                "extra": "123",
            },
        ),
    },
    "contracts": {
        "chainCode": "ynjr",
        "gatewayAddress": GATE,
        "smartContractList": (
            {
                "ownerAddress": GATE,
                "contractAddress": NODE,
                "time": 1593338217002,
                "name": "部署系统合约2",
                "contractType": 2,
                "industryType": "A",
                "payload": "'use strict';\nfunction main(){return;}",
                "vm": "v2",
                "version": "1.0.2",
                "extra": "extra2",
                "internalChainId": "internalChainId2",
            },
        ),
    },
}
LISTS = {
    "nodes": "nodeList",
    "running": "nodeRunningList",
    "blocks": "blockList",
    "transactions": "txList",
    "contracts": "smartContractList",
}


def test_there_are_six() -> None:
    assert tuple(FEEDS) == tuple(EXAMPLES)  # their places are keys of the state


@pytest.mark.parametrize("feed", EXAMPLES)
def test_the_examples_of_the_page_are_read(feed: str) -> None:
    content = read_content(feed, EXAMPLES[feed])
    assert read_content(feed, content) == content
    if feed != "transactions":  # whose example has an empty field
        assert content == EXAMPLES[feed]
    one = Report("by01", feed, content, digest_of(content), GATE, 7, 8)
    assert decode_report(encode_report(one)) == one


@pytest.mark.parametrize("feed", EXAMPLES)
def test_each_field_is_known_typed_and_there(feed: str) -> None:
    whole = EXAMPLES[feed]
    bad: list[Any] = [None, (), "x", {**whole, "other": 1}, {**whole, "chainCode": "BY01"}]
    bad += [{name: value for name, value in whole.items() if name != "chainCode"}]
    bad += [{**whole, name: 1.5} for name in whole] + [{**whole, name: b"x"} for name in whole]
    if feed in LISTS:
        row, name = whole[LISTS[feed]][0], LISTS[feed]
        bad += [{**whole, name: ()}, {**whole, name: (row,) * (CHAIN_FEED_LIST_MAX + 1)}, {**whole, name: ({**row, "other": 1},)}]
        bad += [{**whole, name: ({**row, field: b"x"},)} for field in row] + [
            {**whole, name: ({**row, field: -1},)} for field in row if field != "extra"
        ]
    for value in bad:
        with pytest.raises(Malformed):
            read_content(feed, value)


def test_a_report_has_a_limit_as_a_whole() -> None:
    row = EXAMPLES["contracts"]["smartContractList"][0]
    for size, fits in ((CHAIN_FEED_BYTES_MAX - 2_000, True), (CHAIN_FEED_BYTES_MAX, False)):
        content = {"chainCode": "ynjr", "smartContractList": ({**row, "payload": "x" * size},)}
        if fits:
            read_content("contracts", content)
            continue
        with pytest.raises(Malformed, match="at most"):
            read_content("contracts", content)
    with pytest.raises(Malformed, match="the feeds are status, nodes"):
        read_content("weather", {})


def test_blocks_that_a_report_names() -> None:
    assert blocks_in("blocks", EXAMPLES["blocks"]) == ((9, bytes.fromhex(HASH)), (8, b"\xab" * 32))
    assert blocks_in("running", EXAMPLES["running"]) == ((1000, bytes.fromhex(HASH)),)
    first = {"blockList": ({**EXAMPLES["blocks"]["blockList"][0], "height": 1},)}
    assert blocks_in("blocks", first) == ((1, bytes.fromhex(HASH)),)  # below the first there is none
    for feed in ("status", "nodes", "transactions", "contracts"):
        assert blocks_in(feed, EXAMPLES[feed]) == ()


def test_a_digest_is_that_of_the_canonical_bytes() -> None:
    content = read_content("status", EXAMPLES["status"])
    assert len(digest_of(content)) == 32 and digest_of(content) != digest_of({**content, "tps": 102})
    assert digest_of(dict(reversed(content.items()))) == digest_of(content)
    assert codec.decode(codec.encode(content), bytes_max=999) == content


def test_a_report_reads_as_it_was_kept() -> None:
    """A group goes that is empty once its empty fields have gone: else the digest is of other bytes than the record shows."""
    example = deepcopy(EXAMPLES["nodes"])
    example["nodeList"][0]["location"] = {"district": ""}
    content = read_content("nodes", example)
    one = Report("ynjr", "nodes", content, digest_of(content), GATE, 7, 8)
    assert decode_report(encode_report(one)) == one and "location" not in str(content)
