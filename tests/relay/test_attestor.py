"""An attestor over HTTP: what it signs, and when it does not."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from chainnode.errors import ChainError
from chainnode.foreign import attested
from chainnode.foreign.attested import NOTHING, PACKET_TAG, STATE_TAG
from chainnode.foreign.ethkeys import recover
from chainnode.foreign.keccak import keccak256
from chainnode.foreign.packetbytes import commitment_key
from chainnode.relay.attestor import Attestor, check_chain, make_view
from tests.patience import DEADLINE_S
from tests.relay.attest_world import CHAIN, OUTBOX, T0, MemoryEvm, Served, attestor_of, settings_of

KEY = commitment_key("chainnode-0", 1)
VALUE = b"\x5a" * 32


@pytest.fixture
async def evm():
    async with MemoryEvm() as made:
        yield made


@pytest.fixture
async def served(evm: MemoryEvm, tmp_path: Path):
    async with Served(await attestor_of(evm.url, tmp_path)) as made:
        evm.decide(10)
        made.attestor.view._asked = -1e9
        yield made


async def get(served: Served, path: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(served.url + path) as answer:
        text = await answer.text()
        return answer.status, await answer.json() if path.startswith("/v1") and text[:1] == "{" else text


async def refused(work) -> str:
    with pytest.raises(ChainError) as caught:
        await work
    return caught.value.code.name


async def test_it_signs_the_time_of_a_final_height_and_what_the_outbox_holds_there(evm: MemoryEvm, served: Served) -> None:
    evm.put(KEY, VALUE)
    evm.decide(8)
    served.attestor.view._asked = -1e9
    status, said = await get(served, "/v1/states/12")
    statement, signature = bytes.fromhex(said["statement"][2:]), bytes.fromhex(said["signature"][2:])
    assert status == 200 and attested.decode_state(statement) == attested.StateAttestation(12, T0 + 24)
    assert recover(attested.digest_of(statement, STATE_TAG), signature) == served.address and said["address"] == f"0x{served.address.hex()}"
    for height, held in ((18, NOTHING), (22, VALUE)):
        status, said = await get(served, f"/v1/packets/{height}/{KEY.hex()}")
        statement, signature = bytes.fromhex(said["statement"][2:]), bytes.fromhex(said["signature"][2:])
        assert status == 200 and attested.decode_packets(statement).packets == ((keccak256(KEY), held),)
        assert recover(attested.digest_of(statement, PACKET_TAG), signature) == served.address


@pytest.mark.parametrize(
    ("finality", "highest"), [({"finality": "finalized"}, 16), ({"finality": "confirmations", "confirmations": 5}, 14)]
)
async def test_only_what_is_final_by_its_rule_is_signed(evm: MemoryEvm, tmp_path: Path, finality: dict, highest: int) -> None:
    attestor = await attestor_of(evm.url, tmp_path, **finality)
    evm.decide(10)
    attestor.view._asked = -1e9
    assert await attestor.newest() == highest
    await attestor.state(highest)
    assert await refused(attestor.state(highest + 1)) == "not-final"
    assert await refused(attestor.packet(highest + 1, KEY)) == "not-final"
    assert attestor.guard.count == 1
    attestor.close()
    await attestor.view.endpoints.close()


async def test_only_heights_whose_time_rises_are_signed(evm: MemoryEvm, served: Served) -> None:
    evm.decide(1, apart_s=0)
    evm.decide(3, apart_s=2)
    attestor = served.attestor
    attestor.view._asked = -1e9
    flat = next(height for height in range(1, evm.height + 1) if evm.blocks[height][0] == evm.blocks[height - 1][0])
    evm.finalized, attestor.view._asked = flat, -1e9
    assert await refused(attestor.state(flat)) == "time-not-rising"
    assert await attestor.newest() == flat - 1
    await attestor.state(flat - 1)


async def test_inv_85_a_chain_that_turns_gets_no_second_word(evm: MemoryEvm, served: Served) -> None:
    attestor = served.attestor
    before = await attestor.state(14)
    evm.turn(13)
    assert await attestor.state(14) == before  # what was said is said again, and nothing else
    assert await refused(attestor.state(15)) == "chain-turned"
    status, said = await get(served, "/v1/states/12")
    assert (status, said["code"]) == (422, "chain-turned")
    status, text = await get(served, "/readyz")
    assert status == 503 and "named for height 14" in text
    evm.turn(0)
    assert "chainnode_attestor_turned 1.0" in (await get(served, "/metrics"))[1]


async def test_inv_85_packets_are_proved_under_the_block_that_was_named(evm: MemoryEvm, served: Served) -> None:
    await served.attestor.state(14)
    time_s, slots, _ = evm.blocks[14]
    evm.blocks[14] = (time_s, {**slots, b"\x09" * 32: VALUE}, b"other")
    assert await refused(served.attestor.packet(14, KEY)) == "chain-turned"
    evm.blocks[14] = (time_s, slots, b"")
    assert (await served.attestor.packet(14, KEY)).signature


async def test_a_node_that_proves_another_state_is_silent_not_believed(evm: MemoryEvm, served: Served) -> None:
    await served.attestor.state(14)
    honest = evm.result

    def lying(method: str, params: list) -> object:
        return honest(method, [*params[:2], hex(17)] if method == "eth_getProof" else params)

    evm.blocks[17] = (evm.blocks[17][0], {b"\x09" * 32: VALUE}, b"")
    evm.result = lying
    assert await refused(served.attestor.packet(14, KEY)) == "chain-silent"
    assert served.attestor.turned == ""


async def test_questions_of_another_form_and_heights_out_of_reach_are_refused(evm: MemoryEvm, served: Served) -> None:
    for path, status, code in (
        ("/v1/states/0", 400, "malformed"),
        ("/v1/states/x", 400, "malformed"),
        ("/v1/states/" + "9" * 30, 400, "malformed"),
        ("/v1/states/6", 422, "attestor-behind"),
        ("/v1/states/9999", 422, "not-final"),
        ("/v1/packets/14/zz", 400, "malformed"),
        ("/v1/packets/14/" + "00" * 129, 400, "malformed"),
    ):
        found, said = await get(served, path)
        assert (found, said["code"]) == (status, code), path
    assert served.attestor.guard.count == 0 and served.attestor.counts.refused["malformed"] == 5
    async with aiohttp.ClientSession() as session, session.post(served.url + "/v1/states/14") as answer:
        assert answer.status == 405


async def test_it_says_who_it_is_and_the_probes_answer(evm: MemoryEvm, served: Served) -> None:
    _, about = await get(served, "/v1/attestor")
    assert about == {
        "address": f"0x{served.address.hex()}", "chain_id": CHAIN, "outbox": f"0x{OUTBOX.hex()}", "finality": "finalized",
        "final_height": 16, "newest": 16, "begins": 6,
    }  # fmt: skip
    assert (await get(served, "/livez"))[0] == 200 and (await get(served, "/readyz"))[0] == 200
    await served.attestor.state(15)
    text = (await get(served, "/metrics"))[1]
    for line in (
        "chainnode_attestor_final_height 16.0",
        "chainnode_attestor_highest 15.0",
        'chainnode_attestor_signed_total{kind="state"} 1.0',
    ):
        assert line in text


async def test_a_node_that_hangs_costs_a_bounded_time(evm: MemoryEvm, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.relay.attestserver.RELAY_CALL_MS", 100)
    evm.is_silent = True
    async with asyncio.timeout(DEADLINE_S):
        status, said = await get(served, "/v1/states/14")
    assert (status, said["code"]) == (503, "chain-silent")


async def test_more_questions_than_places_are_put_off(evm: MemoryEvm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainnode.relay.attestserver.ATTEST_CALLS_MAX", 0)
    async with Served(await attestor_of(evm.url, tmp_path)) as served:
        assert (await get(served, "/v1/states/14"))[0] == 503


async def test_a_chain_of_another_number_or_without_the_outbox_is_told_of(evm: MemoryEvm, tmp_path: Path) -> None:
    for changes, words in (({"chain_id": 5}, "is of chain 1337, not 5"), ({"outbox": b"\x44" * 20}, "no contract at 0x4444")):
        view = make_view(settings_of(evm.url, tmp_path, **changes))
        (said,) = await check_chain(view)
        assert words in said
        await view.endpoints.close()


async def test_many_at_once_sign_each_height_once(evm: MemoryEvm, served: Served) -> None:
    attestor: Attestor = served.attestor
    found = await asyncio.gather(*(attestor.state(height) for height in (16, 12, 14, 16, 13, 12, 15, 14)))
    assert len({one.statement for one in found}) == 5 == attestor.guard.count
