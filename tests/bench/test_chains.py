"""The figures of many chains: the page is made of what the bench printed; anchors and their costs are those of the contract."""

import asyncio
import importlib.util
import json
from pathlib import Path

import chaincosts
import chaingateways
import pytest
from chaingateways import Gateway, Sent, _rise

from chainnode import codec, transactions
from chainnode.foreign.tendermintbytes import decode_header
from tests.chain_maker import key_of
from tests.sim.client_ledger import ClientLedger
from tests.sim.header_chain import HeaderChain

ROOT = Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("scaledocs", ROOT / "scripts" / "scaledocs.py")
assert _spec is not None and _spec.loader is not None
scaledocs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(scaledocs)
FIGURES = json.loads((ROOT / "docs" / "scale.json").read_text())
START_NS = 1_795_000_000 * 10**9


def test_the_page_is_made_of_the_figures() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    assert scaledocs.rendered(page, FIGURES) == page, "run scripts/scaledocs.py"
    assert all(f"<!-- made: {name} -->" in page for name in scaledocs.PARTS)


def test_other_figures_make_another_page() -> None:
    page = (ROOT / "docs" / "scale.md").read_text()
    doubled = json.loads(json.dumps(FIGURES))
    doubled["runs"][-1]["saturated"]["anchors_per_s"] *= 2
    changed = [name for name in ("measured", "many", "limits") if scaledocs.PARTS[name](doubled) in page]
    assert changed == []


def test_bytes_are_told_in_the_unit_that_fits() -> None:
    assert [scaledocs.size(count) for count in (7, 1_500, 999_000, 3.2e9, 4e15)] == ["7 bytes", "1.5 kB", "999 kB", "3.2 GB", "4000 TB"]


def test_an_update_costs_more_bytes_with_more_validators_and_a_state_has_a_size() -> None:
    small, large = chaincosts.of_validators(1, 2), chaincosts.of_validators(10, 2)
    assert small["message_bytes"] * 3 < large["message_bytes"] < small["message_bytes"] * 4
    assert 0 < small["apply_us"] < 100_000
    few = chaincosts.of_state(20)
    assert few["entries_per_state"] == 4 and few["bytes_per_state"] * 20 == pytest.approx(few["bytes_per_chain"], rel=0.01)
    assert few["tree_memory_bytes_per_state"] > 4 * 64


def test_a_gateway_signs_anchors_that_the_contract_takes() -> None:
    ledger, chain = ClientLedger(START_NS), HeaderChain("b000-1", START_NS)
    gateway = Gateway(chain, key_of("gateway"), ledger.follow(chain.beginning, START_NS // 10**6))
    messages = []
    for step in range(3):
        tx = transactions.decode_transaction(gateway.anchor(bytes(32), START_NS + (step + 1) * 10**9))
        ((contract, method, (client_id, message)),) = [(call.contract, call.method, call.arguments) for call in tx.body.calls]
        assert (contract, method, client_id) == ("clients", "update", gateway.client_id)
        assert decode_header(message).trusted_height == chain.at(gateway.known)
        messages.append((client_id, message))
        gateway.known = chain.height
    assert ledger.block(START_NS // 10**6 + 5_000, messages) == ["updated"] * 3
    assert chain.height == 6 and gateway.messages == [len(message) for _, message in messages]  # every second block


async def test_what_saturates_trusts_only_what_is_in_the_state_for_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    chains = [HeaderChain(f"b00{number}-1", START_NS) for number in range(3)]
    ledger = ClientLedger(START_NS)
    gateways = [Gateway(one, key_of("gateway"), ledger.follow(one.beginning, START_NS // 10**6)) for one in chains]
    under_way = most = 0
    calls = 0

    async def post(session: object, url: str, raws: list[bytes], wait_ms: int) -> list[object]:
        nonlocal under_way, most, calls
        calls += 1
        under_way, most = under_way + 1, max(most, under_way + 1)
        for _ in range(1 + 7 * calls % 5):
            await asyncio.sleep(0)
        updates = [transactions.decode_transaction(raw).body.calls[0].arguments for raw in raws]
        outcomes = ledger.block(START_NS // 10**6 + 60_000, [(str(one[0]), bytes(one[1])) for one in updates])
        under_way -= 1
        return [[b"", 0, "ok", "", ledger.height, 0, codec.encode((outcome,))] for outcome in outcomes]

    class Nodes:
        genesis_hash = bytes(32)

        class network:
            urls = ("http://a", "http://b")

    monkeypatch.setattr(chaingateways, "post", post)
    sent = await chaingateways.saturate(Nodes(), None, gateways, anchors=120, batch=8, under_way=3)
    assert len(sent.took_ms) == 120 and len(sent.heights) == 15 and 1 < most <= 3
    assert [one.known for one in gateways] == [80, 80, 80]


def test_a_refused_anchor_stops_the_bench() -> None:
    with pytest.raises(RuntimeError):
        Sent().add([b"x"], [[b"", 1111, "client-frozen", "", 3, 0, b""]], 0.1)
    with pytest.raises(AssertionError):
        Sent().add([b"x"], [[b"", 0, "ok", "", 3, 0, codec.encode(("known",))]], 0.1)


def test_lags_count_from_the_second_interval_on() -> None:
    rises: list[tuple[float, float]] = []
    last = _rise(rises, None, 100.0, 99.0, 110.0)
    last = _rise(rises, last, 105.0, 104.5, 110.0)
    assert rises == []
    last = _rise(rises, last, 112.0, 111.0, 110.0)
    assert rises == [(5.5, 7.5)]  # what it was at 110, until the next
    _rise(rises, last, 118.0, 0.0, 110.0)
    assert rises[1:] == [(1.0, 7.0)]
