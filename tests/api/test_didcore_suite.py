"""The command `scripts/didcore_suite.py`: its files say what a resolver answered, in the words of either standard; the W3C's suite on them.

The suite is the folder packages/did-core-test-server of a checkout of w3c/did-test-suite with its npm packages installed, which
$CHAINNODE_DID_CORE_SUITE names.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from chainnode.api.server import make_app
from chainnode.errors import ChainError
from tests.api.did_world import ANNA, ENDED, NOBODY, DidNode, make_did_world
from tests.ports import free_base

SUITE = os.environ.get("CHAINNODE_DID_CORE_SUITE", "")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "didcore_suite.py"
KEY_DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
_spec = importlib.util.spec_from_file_location("didcore_suite", SCRIPT)
didcore_suite = importlib.util.module_from_spec(_spec)
sys.modules["didcore_suite"] = didcore_suite
_spec.loader.exec_module(didcore_suite)
DIDS = didcore_suite.Dids((ANNA, KEY_DID), (ENDED,), (NOBODY,))


async def files(monkeypatch, *, is_as_served=False, genesis=None):
    """The files about the DIDs of a chain in memory."""
    node = DidNode()
    monkeypatch.setattr(didcore_suite.time, "time_ns", lambda: node.world.now_ns)
    app = make_app(node, registry=CollectorRegistry(), body_bytes_max=64 * 1024)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        resolver = didcore_suite.Resolver(session, str(server.make_url("/")), genesis or node.world.genesis)
        return await didcore_suite.Maker(resolver, is_as_served=is_as_served).files(DIDS)


def outputs(file, outcome):
    """What came of the executions that should come to this."""
    return [file["executions"][place]["output"] for place in file["expectedOutcomes"][outcome]]


def leaves(value):
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value


async def test_each_form_of_a_document_is_the_same_data(monkeypatch):
    made = await files(monkeypatch)
    assert sorted(made) == ["dereferencer-chainnode.json", "did-bid-chainnode.json", "did-key-chainnode.json", "resolver-chainnode.json"]
    for method, did in (("bid", ANNA), ("key", KEY_DID)):
        file = made[f"did-{method}-chainnode.json"]
        properties = file[did]["didDocumentDataModel"]["properties"]
        assert file["dids"] == [did] and properties["id"] == did and "@context" not in properties
        for media in didcore_suite.OLD_MEDIA:
            form = file[did][media]
            assert json.loads(form["representation"]) == form["didDocumentDataModel"]["representationSpecificEntries"] | properties
            assert form["didResolutionMetadata"]["contentType"] == media
    assert sorted(made["did-bid-chainnode.json"]["didParameters"]) == ["relativeRef", "service", "versionId", "versionTime"]


async def test_a_document_that_is_served_is_taken_back_whole(monkeypatch):
    *taken, refused = (await files(monkeypatch))["did-bid-chainnode.json"]["conformingConsumers"]
    assert len(taken) == 2 and refused["output"]["errors"]
    for one in taken:
        output = one["output"]
        assert json.loads(one["input"]["representation"]) == output["representationSpecificEntries"] | output["didDocumentDataModel"]
        assert output["errors"] == []


async def test_answers_are_put_in_the_words_of_the_old_standard(monkeypatch):
    made = await files(monkeypatch)
    resolver, dereferencer = made["resolver-chainnode.json"], made["dereferencer-chainnode.json"]
    for outcome, word in (("invalidDid", "invalidDid"), ("notFound", "notFound"), ("methodNotSupported", "methodNotSupported")):
        for one in outputs(resolver, f"{outcome}ErrorOutcome"):
            assert (one["didResolutionMetadata"]["error"], one["didDocument"], one["didDocumentMetadata"]) == (word, None, {})
    for outcome in ("invalidDidUrl", "notFound"):
        for one in outputs(dereferencer, f"{outcome}ErrorOutcome"):
            assert (one["dereferencingMetadata"]["error"], one["contentStream"], one["contentMetadata"]) == (outcome, "", {})
    (ended,) = outputs(resolver, "deactivatedOutcome")
    assert ended["didDocument"] == {"id": ENDED} and ended["didDocumentMetadata"]["deactivated"] is True
    for execution in resolver["executions"]:
        assert (execution["function"] == "resolve") is ("contentType" not in execution["output"]["didResolutionMetadata"])
    metadata = [one["didDocumentMetadata"] for one in outputs(resolver, "defaultOutcome")]
    assert any("proof" in one for one in metadata)
    assert all(isinstance(leaf, str | bool) or leaf is None for leaf in leaves(metadata))


async def test_as_served_nothing_is_changed(monkeypatch):
    made = await files(monkeypatch, is_as_served=True)
    resolver, dereferencer = made["resolver-chainnode.json"], made["dereferencer-chainnode.json"]
    assert all(isinstance(one["didResolutionMetadata"]["error"], dict) for one in outputs(resolver, "notFoundErrorOutcome"))
    assert all(one["contentStream"] is None for one in outputs(dereferencer, "notFoundErrorOutcome"))
    assert [one["didDocument"] for one in outputs(resolver, "deactivatedOutcome")] == [None]
    assert all(one["didResolutionMetadata"]["contentType"] for one in outputs(resolver, "defaultOutcome"))
    assert made["did-bid-chainnode.json"]["supportedContentTypes"] == (*didcore_suite.OLD_MEDIA, "application/did")


async def test_answers_of_another_chain_are_refused(monkeypatch):
    with pytest.raises(ChainError):
        await files(monkeypatch, genesis=make_did_world(chain_id="other-1").genesis)


@pytest.mark.parametrize(
    "title, is_as_served, code",
    [
        ("", False, 0),
        ("", True, 0),
        ("7.1.2 x - an error MUST be a single keyword", False, 1),
        ("7.1.2 x - an error MUST be a single keyword", True, 0),
        ("7.1.3 x - an error MUST be a single keyword", True, 1),
        ("7.1.2 x - anything else", True, 1),
    ],
)
def test_what_fails_is_told_unless_a_later_standard_changed_it(capsys, title, is_as_served, code):
    cases = [{"title": "5.1.1 good", "status": "passed"}] + ([{"title": title, "status": "failed"}] if title else [])
    report = {"testResults": [{"status": "failed" if title else "passed", "message": "", "assertionResults": cases}]}
    assert didcore_suite.tell(report, is_as_served=is_as_served) == code
    out = capsys.readouterr().out
    assert f"1 passed, {int(bool(title))} failed" in out and ("FAILED" in out) is bool(code)


@pytest.mark.parametrize("cases", [[], [{"title": "", "status": "todo"}]])
def test_a_suite_that_did_not_run_has_not_passed(cases):
    assert didcore_suite.tell({"testResults": [{"status": "passed", "message": "", "assertionResults": cases}]}, is_as_served=True) == 1


def test_a_part_of_the_suite_that_breaks_off_is_a_failure():
    good = {"status": "passed", "message": "", "assertionResults": [{"title": "5.1.1 good", "status": "passed"}]}
    broken = {"status": "failed", "message": "no such module", "assertionResults": []}
    assert didcore_suite.tell({"testResults": [good]}, is_as_served=True) == 0
    assert didcore_suite.tell({"testResults": [good, broken]}, is_as_served=True) == 1


@pytest.mark.e2e
@pytest.mark.skipif(not SUITE, reason="the W3C's suite is not at hand: $CHAINNODE_DID_CORE_SUITE names no checkout of it")
@pytest.mark.parametrize("words, passed_min, changed", [((), 3842, 0), (("--as-served",), 3766, 156)])
def test_the_suite_of_the_w3c_passes(tmp_path, words, passed_min, changed):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--suite", SUITE, "--port", str(free_base(6, 7)), *words]
    told = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    print(told.stdout[-3000:], told.stderr[-3000:])
    assert told.returncode == 0
    passed, failed, known = map(int, re.search(r"(\d+) passed, (\d+) failed, (\d+) of them", told.stdout).groups())
    assert passed >= passed_min and failed == known == changed
