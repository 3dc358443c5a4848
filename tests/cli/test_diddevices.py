"""Devices by the thousand: keys drawn into a sealed file, or held by the devices; registered in order, and gone on with after a stop."""

import json
import stat

import pytest

from chainnode.bid import did_of
from chainnode.cli import devicekeys
from chainnode.crypto.keystrings import decode_private_key
from chainnode.crypto.suites import sign
from contracts.devices import device_message
from tests.chain_maker import key_of
from tests.cli.registry_node import Desk

COUNT = 7


def dids(desk: Desk, name: str = "devices.json") -> list[str]:
    return [did_of("e", key) for key in devicekeys.load(desk.folder / name).keys]


async def test_keys_are_drawn_sealed_and_registered_under_the_sender(desk: Desk) -> None:
    out = await desk.run("devices", "./devices.json", "--count", COUNT, "--key-file", "%sponsor", "--batch", 3, "--service", "a,B,urn:c")
    assert [line.split(" after")[0] for line in out.splitlines() if " of 7" in line] == ["3 of 7", "6 of 7", "7 of 7"]
    path = desk.folder / "devices.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"It is controlled by 1 of {desk.did('sponsor')}." in out
    found = dids(desk)
    for did in (found[0], found[-1]):
        document = json.loads(await desk.run("resolve", did))
        assert document["controller"] == [desk.did("sponsor")] and document["service"][0]["serviceEndpoint"] == "urn:c"
    keys = devicekeys.load(path).open("correct horse")
    assert not any(key.secret.hex() in path.read_text() for key in keys)


async def test_the_same_command_goes_on_after_a_stop(desk: Desk) -> None:
    devicekeys.save(desk.folder / "devices.json", devicekeys.draw(COUNT), "correct horse")
    common = ("devices", "./devices.json", "--key-file", "%sponsor", "--batch", 3)
    await desk.run(*common)
    before = len(desk.node.submitted)
    out = await desk.run(*common)
    assert out.count("on the chain already") == 3 and len(desk.node.submitted) == before


async def test_keys_are_not_drawn_over_those_that_are_there(desk: Desk) -> None:
    command = ("devices", "./devices.json", "--count", COUNT, "--key-file", "%sponsor")
    await desk.run(*command)
    before = (desk.folder / "devices.json").read_bytes()
    assert "leave out --count to go on with its keys" in await desk.refused("key-file-exists", *command)
    assert (desk.folder / "devices.json").read_bytes() == before


async def test_device_keys_under_another_passphrase_are_named(desk: Desk) -> None:
    devicekeys.save(desk.folder / "devices.json", devicekeys.draw(1), "another horse")
    assert "devices.json: " in await desk.refused("bad-passphrase", "devices", "./devices.json", "--key-file", "%sponsor")


async def test_another_batch_than_before_is_noticed(desk: Desk) -> None:
    devicekeys.save(desk.folder / "all.json", drawn := devicekeys.draw(COUNT), "correct horse")
    devicekeys.save(desk.folder / "some.json", drawn[:3], "correct horse")
    await desk.run("devices", "./some.json", "--key-file", "%sponsor")
    assert "--batch" in await desk.refused("already-exists", "devices", "./all.json", "--key-file", "%sponsor")
    await desk.run("devices", "./all.json", "--key-file", "%sponsor", "--batch", 3)


async def test_devices_sign_for_themselves(desk: Desk) -> None:
    out = await desk.run("devices", "--digest", "--controller", "@owner")
    chain, digest = (line.split()[1] for line in out.splitlines())
    lines = []
    for number in range(3):
        key = key_of(f"device {number}")
        message = device_message(bytes.fromhex(chain), did_of("e", key.public), bytes.fromhex(digest))
        lines.append(f"{key.public.hex()}, {sign(key, message).hex()}  # number {number}")
    (desk.folder / "devices.csv").write_text("\n".join(["# devices", "", *lines]))
    await desk.run("devices", "./devices.csv", "--sponsor-key-file", "%sponsor", "--controller", "@owner")
    assert json.loads(await desk.run("resolve", did_of("e", key_of("device 2").public)))["controller"] == [desk.did("owner")]


async def test_a_signature_over_other_control_is_found_before_anything_is_sent(desk: Desk) -> None:
    key = key_of("device")
    (desk.folder / "devices.csv").write_text(f"{key.public.hex()} {bytes(64).hex()}\n")
    detail = await desk.refused("bad-signature", "devices", "./devices.csv", "--key-file", "%sponsor")
    assert detail.startswith("device 1 of the file") and desk.blocks == 0


async def test_private_keys_leave_the_file_only_when_it_is_said(desk: Desk) -> None:
    await desk.run("devices", "./devices.json", "--count", 2, "--list", "--insecure-plain", "./plain")
    plain = desk.folder / "plain"
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600
    rows = [line.split() for line in plain.read_text().splitlines()]
    assert [did for did, _ in rows] == dids(desk)
    assert [did_of("e", decode_private_key(text).public) for _, text in rows] == dids(desk)
    await desk.refused("key-file-exists", "devices", "./devices.json", "--list", "--insecure-plain", "./plain")
    await desk.refused("key-file-exists", "devices", "./devices.json", "--count", 2, "--list")


async def test_the_list_asks_nobody(desk: Desk) -> None:
    devicekeys.save(desk.folder / "devices.json", devicekeys.draw(2), "correct horse")
    desk.url = "http://127.0.0.1:1"
    assert [line.split()[0] for line in (await desk.run("devices", "./devices.json", "--list")).splitlines()] == dids(desk)


async def test_a_wrong_passphrase_opens_no_devices(desk: Desk) -> None:
    devicekeys.save(desk.folder / "devices.json", devicekeys.draw(2), "another one")
    await desk.refused("bad-passphrase", "devices", "./devices.json", "--key-file", "%sponsor")
    (desk.folder / "right").write_text("another one\n")
    await desk.run("devices", "./devices.json", "--key-file", "%sponsor", "--device-passphrase-file", "./right")


async def test_a_public_key_that_was_swapped_is_found(desk: Desk) -> None:
    path = desk.folder / "devices.json"
    devicekeys.save(path, devicekeys.draw(2), "correct horse")
    document = json.loads(path.read_text())
    document["public_keys"][1] = key_of("eve").public.hex()
    path.write_text(json.dumps(document))
    await desk.refused("bad-passphrase", "devices", "./devices.json", "--key-file", "%sponsor")


@pytest.mark.parametrize(
    "content",
    ["", "{", "{}", '{"format": "chainnode-device-keys", "version": 2, "public_keys": []}', "00 11", "00", f"{'00' * 32} {'00' * 64} more"],
)
async def test_what_is_no_file_of_devices_is_refused(desk: Desk, content: str) -> None:
    (desk.folder / "devices").write_text(content)
    await desk.refused("bad-key-file", "devices", "./devices", "--key-file", "%sponsor")


async def test_too_many_or_twice_the_same_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"{key_of('device').public.hex()} {bytes(64).hex()}\n"
    (desk.folder / "devices").write_text(line * 2)
    assert "twice" in await desk.refused("bad-key-file", "devices", "./devices", "--key-file", "%sponsor")
    monkeypatch.setattr(devicekeys, "DEVICE_FILE_KEYS_MAX", 1)
    assert "1 to 1 are taken" in await desk.refused("bad-key-file", "devices", "./devices", "--key-file", "%sponsor")
    monkeypatch.setattr(devicekeys, "_FILE_BYTES_MAX", 100)
    assert "longer" in await desk.refused("bad-key-file", "devices", "./devices", "--key-file", "%sponsor")


@pytest.mark.parametrize(
    "options",
    [
        ["./none"],
        ["--count", "1"],
        ["./devices.csv"],
        ["./devices.csv", "--digest"],
        ["./devices.csv", "--offline-sign", "./x"],
        ["./devices.csv", "--list", "--insecure-plain", "./x"],
    ],
)
async def test_a_wrong_use_of_devices_is_told(desk: Desk, options: list[str]) -> None:
    (desk.folder / "devices.csv").write_text(f"{key_of('device').public.hex()} {bytes(64).hex()}\n")
    await desk.refused("bad-use", "devices", *options, exit_code=2)


async def test_ten_thousand_fit_into_one_transaction(desk: Desk) -> None:
    devicekeys.save(desk.folder / "devices.json", devicekeys.draw(10_000), "correct horse")
    out = await desk.run("devices", "./devices.json", "--key-file", "%sponsor")
    assert out.count("transaction ") == 1 and "10,000 of 10,000" in out
