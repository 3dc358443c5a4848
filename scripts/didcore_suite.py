#!/usr/bin/env python3
"""Write what the W3C's suite for DID Core reads (w3c/did-test-suite) from what a node answers over HTTP, and run the suite on it.

The suite works on files: documents with their metadata, and what a resolver said. Here each is an answer of `/1.0/identifiers/`, whose
proofs are verified first. Without --node a chain of one validator is started and DIDs are registered on it; with --node those named are
asked for. The suite is of DID Core 1.0, the node of DID Core 1.1 and DID Resolution 1.0, so answers are written in the words of 1.0
(`in_old_words` is all that is changed), or with --as-served as they came: then what fails must be what later standards changed.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli.network import open_network
from chainnode.client.client import Client
from chainnode.client.signing import Signer
from chainnode.crypto.suites import generate
from chainnode.did import record, w3c
from chainnode.did.keymethod import did_key_of
from chainnode.did.record import Control, Document, Facts, Identity, Method, Service
from chainnode.errors import Malformed
from chainnode.node.homes import load_genesis, load_key, read_passphrase_file
from chainnode.types.genesis import ChainParams, Genesis
from chainnode.types.transaction import Invocation

RESOLUTION, DEREFERENCING = "application/did-resolution", "application/did-url-dereferencing"
OLD_MEDIA = ("application/did+json", "application/did+ld+json")  # of DID Core 1.0
MEDIA = "application/did"  # of 1.1
INVALID = ("did:bid", "did:bid:", "did:BID:efabc", "bid:efabc")
OTHER_METHOD = "did:other:1"
# What fails on answers as they are served: section and words of the suite's statement, and what the later standards say instead.
ONE_FORM, NUMBERS, ONE_FUNCTION = "application/did is the one media type", "metadata may have numbers", "contentType is always there"
ERRORS, NOTHING, ENDED = "an error is an object of RFC 9457", "no content is null", "a deactivated DID has no document"
CHANGED = (
    ("3.1 ", "DID URLs MUST conform", ERRORS),  # the suite knows by the word of 1.0 that a DID URL need not be one
    ("6.1 ", "serialize all entries", ONE_FORM),
    ("6.1 ", "non-conforming DIDs or DID documents", ONE_FORM),
    ("7.1 ", "MUST be a conformant DID as", ERRORS),
    ("7.1 ", "MUST be a DID document", ENDED),
    ("7.1 ", "value of id in the resolved", ENDED),
    ("7.1.2 ", "MUST NOT be present if the resolve", ONE_FUNCTION),
    ("7.1.2 ", "Media Type of the conformant", ONE_FUNCTION),
    ("7.1.2 ", "MUST use this value", ONE_FUNCTION),
    ("7.1.2 ", "single keyword", ERRORS),
    ("7.1.2 ", "- invalidDid", ERRORS),
    ("7.1.2 ", "- notFound", ERRORS),
    ("7.2 ", "conformant DID URL as a", ERRORS),
    ("7.2 ", "this value MUST be empty", NOTHING),
    ("7.2.2 ", "single keyword", ERRORS),
    ("7.2.2 ", "- invalidDidUrl", ERRORS),
    ("7.2.2 ", "- notFound", ERRORS),
    ("7.3 ", "one of these data types", NUMBERS),
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dids:
    """Whom the suite is told of: `active` have documents, `ended` were deactivated, `absent` were never registered."""

    active: tuple[str, ...]
    ended: tuple[str, ...]
    absent: tuple[str, ...]


# Ask


class Resolver:
    """A node's resolver. What it proves is verified when there is a genesis file."""

    def __init__(self, session: aiohttp.ClientSession, url: str, genesis: Genesis | None) -> None:
        self._session, self._url, self._genesis = session, url.rstrip("/"), genesis

    async def ask(self, did_url: str, accept: str, options: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Status, media type and body; of a redirection the media type of lists of places, and the place."""
        query = f"?{urlencode(options)}" if options else ""
        target = URL(f"{self._url}/1.0/identifiers/{quote(did_url, safe='')}{query}", encoded=True)
        async with self._session.get(target, headers={"Accept": accept}, allow_redirects=False) as answer:
            if answer.status == 303:
                return answer.status, "text/uri-list", answer.headers["Location"]
            return answer.status, answer.headers["Content-Type"], await answer.text()

    async def whole(self, did_url: str, accept: str, options: Mapping[str, str] | None = None) -> Json:
        """An answer of three parts."""
        _, media, text = await self.ask(did_url, accept, options)
        if media != accept:
            raise SystemExit(f"{did_url} as {accept} is answered by {media}: {text[:200]}")
        answer: Json = json.loads(text)
        for part in answer.values():
            for proof in part.get("proof", ()) if isinstance(part, dict) and self._genesis else ():
                verify_bundle(bundle_from_json(json.dumps(proof["bundle"])), self._genesis, time.time_ns())
        return answer


# Form


def in_old_words(output: Json, did: str, *, is_resolve: bool = False) -> Json:
    """An answer in the words of DID Core 1.0.

    An error is a word; nothing is an empty text; metadata have no numbers; `resolve` has no contentType; and a deactivated
    DID has a document, of which later standards have none.
    """
    parts = {name: _old_metadata(part) if name.endswith("Metadata") else part for name, part in output.items()}
    if is_resolve:
        parts["didResolutionMetadata"].pop("contentType", None)
        if parts["didDocumentMetadata"].get("deactivated"):
            parts["didDocument"] = {"id": did}
    for name in ("didDocumentStream", "contentStream"):
        if name in parts:
            parts[name] = parts[name] or ""
    return parts


def _old_metadata(value: Any) -> Any:
    if isinstance(value, dict):
        error = value.get("error")
        if isinstance(error, dict):
            first, *others = error["type"].rpartition("#")[2].lower().split("_")
            value = value | {"error": first + "".join(word.capitalize() for word in others)}
        return {name: _old_metadata(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_old_metadata(one) for one in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def consumed(representation: str, media: str, did: str) -> Json:
    """What the ledger makes of a document that somebody gives: read as from a user, and written again."""
    context = json.loads(representation).get("@context")
    entries: Json = {}
    errors = []
    try:
        written = w3c.document(Identity(did, 1, b"", 1, 1, 1, True, w3c.read_document(json.loads(representation), did)))
        entries = {name: one for name, one in (written or {}).items() if name != "@context"}
    except Malformed as error:
        errors.append(error.detail)
    specific = {} if context is None else {"@context": context}
    output = {"didDocumentDataModel": entries, "representationSpecificEntries": specific, "errors": errors}
    return {"name": f"{did} as {media}", "input": {"representation": representation, "mediaType": media}, "output": output}


class Maker:
    """Makes the files of answers."""

    def __init__(self, resolver: Resolver, *, is_as_served: bool) -> None:
        self._resolver, self._is_as_served = resolver, is_as_served

    async def files(self, dids: Dids) -> dict[str, Json]:
        """Each file by its name."""
        made: dict[str, Json] = {}
        for method in sorted({did.split(":")[1] for did in dids.active}):
            of_method = [did for did in dids.active if did.split(":")[1] == method]
            made[f"did-{method}-chainnode.json"] = await self._documents(method, of_method)
        made["resolver-chainnode.json"] = await self._resolutions(dids)
        made["dereferencer-chainnode.json"] = await self._dereferencings(dids)
        return made

    async def _documents(self, method: str, dids: list[str]) -> Json:
        media_types = (*OLD_MEDIA, MEDIA) if self._is_as_served else OLD_MEDIA
        file = {
            **_head(f"did:{method}"),
            "supportedContentTypes": media_types,
            "dids": dids,
            "didParameters": {},
            "conformingConsumers": [],
        }
        for did in dids:
            whole = await self._resolver.whole(did, RESOLUTION)
            properties = {name: one for name, one in whole["didDocument"].items() if name != "@context"}
            file[did] = {"didDocumentDataModel": {"properties": properties}}
            for media in media_types:
                status, content_type, text = await self._resolver.ask(did, media)
                assert status == 200, (did, media, status)
                metadata = whole if self._is_as_served else in_old_words(whole, did)
                file[did][media] = {
                    "didDocumentDataModel": {"representationSpecificEntries": {"@context": json.loads(text)["@context"]}},
                    "representation": text,
                    "didDocumentMetadata": metadata["didDocumentMetadata"],
                    "didResolutionMetadata": {**metadata["didResolutionMetadata"], "contentType": content_type},
                }
                if media in OLD_MEDIA and method != "key":  # which nobody registers here
                    file["conformingConsumers"].append(consumed(text, media, did))
            file["didParameters"] |= _parameters(whole, did)
        if method != "key":
            file["conformingConsumers"].append(consumed("{}", OLD_MEDIA[0], dids[0]))
        return file

    async def _resolutions(self, dids: Dids) -> Json:
        asked: list[tuple[str, Json, str]] = [(did, {}, "defaultOutcome") for did in dids.active]
        for did in dids.active:
            metadata = (await self._resolver.whole(did, RESOLUTION))["didDocumentMetadata"]
            if "versionId" in metadata:
                asked += [(did, {"versionId": "1"}, "defaultOutcome"), (did, {"versionId": "999"}, "notFoundErrorOutcome")]
                asked += [(did, {"versionTime": metadata["created"]}, "defaultOutcome")]
        asked += [(did, {}, "deactivatedOutcome") for did in dids.ended]
        asked += [(did, {"versionId": "1"}, "defaultOutcome") for did in dids.ended]
        asked += [(did, {}, "notFoundErrorOutcome") for did in dids.absent]
        asked += [(did, {}, "invalidDidErrorOutcome") for did in INVALID]
        asked += [(OTHER_METHOD, {}, "methodNotSupportedErrorOutcome")]
        executions, outcomes = [], []
        for did, options, outcome in asked:
            for accept in (None, *OLD_MEDIA) if outcome == "defaultOutcome" else (None,):
                executions.append(await self._resolution(did, options, accept))
                outcomes.append(outcome)
        return {**_head("did:bid"), "expectedOutcomes": _places(outcomes), "executions": executions}

    async def _resolution(self, did: str, options: Json, accept: str | None) -> Json:
        output = await self._resolver.whole(did, RESOLUTION, options)
        if accept is not None:
            _, media, text = await self._resolver.ask(did, accept, options)
            process = {**output["didResolutionMetadata"], "contentType": media}
            output = {"didResolutionMetadata": process, "didDocumentStream": text, "didDocumentMetadata": output["didDocumentMetadata"]}
            options = {**options, "accept": accept}
        output = output if self._is_as_served else in_old_words(output, did, is_resolve=accept is None)
        function = "resolve" if accept is None else "resolveRepresentation"
        return {"function": function, "input": {"did": did, "resolutionOptions": options}, "output": output}

    async def _dereferencings(self, dids: Dids) -> Json:
        asked: list[tuple[str, str, str]] = []
        for did in dids.active:
            whole = await self._resolver.whole(did, RESOLUTION)
            parts = [one["id"] for name in ("verificationMethod", "service") for one in whole["didDocument"].get(name, ())]
            parameters = _parameters(whole, did)
            versions = [url for name, url in parameters.items() if name.startswith("version")]
            places = [url for name, url in parameters.items() if name in ("service", "relativeRef")]
            asked += [(url, media, "defaultOutcome") for url in (did, *parts, *versions) for media in OLD_MEDIA]
            asked += [(url + "#key-1", media, "defaultOutcome") for url in versions for media in OLD_MEDIA]
            asked += [(url, "text/uri-list", "defaultOutcome") for url in dict.fromkeys(places)]
            asked += [(f"{did}#nothing", "", "notFoundErrorOutcome")]
        asked += [(did, "", "notFoundErrorOutcome") for did in dids.absent]
        asked += [(url, "", "invalidDidUrlErrorOutcome") for url in (*INVALID, f"{dids.active[0]}#a#b", f"{dids.active[0]}?a=^")]
        executions = [await self._dereferencing(url, accept) for url, accept, _ in asked]
        return {**_head("did:bid"), "expectedOutcomes": _places([outcome for _, _, outcome in asked]), "executions": executions}

    async def _dereferencing(self, url: str, accept: str) -> Json:
        """What stands at a DID URL, in a form; without one, the whole answer, which has the error."""
        if accept == "text/uri-list":
            status, media, text = await self._resolver.ask(url, accept)
            assert status == 303, (url, status, text)
            output = {"dereferencingMetadata": {"contentType": media}, "contentStream": text, "contentMetadata": {}}
        else:
            whole = await self._resolver.whole(url, DEREFERENCING)
            output = {name: whole[name] for name in ("dereferencingMetadata", "contentStream", "contentMetadata")}
            if accept:
                _, media, text = await self._resolver.ask(url, accept)
                output |= {"dereferencingMetadata": {**whole["dereferencingMetadata"], "contentType": media}, "contentStream": text}
        output = output if self._is_as_served else in_old_words(output, url)
        options = {"accept": accept} if accept else {}
        return {"function": "dereference", "input": {"didUrl": url, "dereferenceOptions": options}, "output": output}


def _head(method: str) -> Json:
    return {"didMethod": method, "implementation": "chainnode", "implementer": "chainnode"}


def _places(outcomes: list[str]) -> dict[str, list[int]]:
    return {one: [place for place, other in enumerate(outcomes) if other == one] for one in dict.fromkeys(outcomes)}


def _parameters(whole: Json, did: str) -> dict[str, str]:
    """A DID URL for each parameter that the answer about a DID has an example of."""
    metadata, urls = whole["didDocumentMetadata"], {}
    if "versionId" in metadata:
        urls = {"versionId": f"{did}?versionId={metadata['versionId']}", "versionTime": f"{did}?versionTime={metadata['created']}"}
    for one in whole["didDocument"].get("service", ())[:1]:
        name = one["id"].partition("#")[2]
        urls |= {"service": f"{did}?service={name}", "relativeRef": f"{did}?service={name}&relativeRef=%2Fpapers%2Fcv.pdf"}
    return urls


# Register


def _party(name: str, suite: str = "e") -> Signer:
    return Signer(generate(suite, hashlib.sha256(name.encode()).digest()))


def plain(one: Signer) -> Document:
    """One key, of the kind that the DID is made of."""
    return Document((Method("key-1", one.key.suite, one.key.public, record.AUTHENTICATION | record.ASSERTION | record.INVOCATION),))


def rich(one: Signer, controllers: tuple[str, ...], version: int = 1) -> Document:
    """A key of each kind, each relationship, two controllers, services and other names."""
    p256 = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    methods = (
        Method("key-1", "e", one.key.public, record.SIGNING),
        Method("sm2", "z", _party("rich sm2", "z").key.public, record.ASSERTION),
        Method("k1", "s", _party("rich secp256k1", "s").key.public, record.AUTHENTICATION | record.DELEGATION),
        Method("p256", record.P256, p256, record.ASSERTION | record.KEY_AGREEMENT),
        Method("seal", record.X25519, hashlib.sha256(b"seal").digest(), record.KEY_AGREEMENT),
    )
    services = (
        Service("files", "Storage", f"https://store.example/v{version}"),
        Service("mail", "Mail", "mailto:rich@store.example"),
        Service("sub", "DIDSubResolver", "https://sub.example", (("port", 8080), ("protocol", 3), ("serverType", 1), ("version", "1.0.0"))),
    )
    names = ((103, "https://rich.example"), (102, "did:web:rich.example"), (103, "rich.example"), (105, "hdl:20.500.123/rich"))
    return Document(methods, Control(controllers), Facts(services, names))


async def register(client: Client, sponsor: Signer) -> Dids:
    """DIDs of each suite; a rich one in two versions under the control of others; one that has ended."""
    plains = [_party("anna"), _party("ming", "z"), _party("karl", "s")]
    subject, ended, absent = _party("rich"), _party("ended"), _party("absent")
    controllers = (plains[0].did, plains[1].did)

    async def write(signers: tuple[Signer, ...], method: str, did: str, *values: Any) -> None:
        await client.submit(Invocation("identity", method, (did, *values)), sponsor, *signers)

    async def stamp(did: str) -> tuple[int, bytes]:
        identity = (await client.resolve(did)).identity
        return identity.sequence, hashlib.sha256(record.encode_identity(identity)).digest()

    for one in (*plains, ended):
        await write((one,), "create", one.did, record.document_value(plain(one)))
    await write((subject, plains[0]), "create", subject.did, record.document_value(rich(subject, controllers)))
    facts = record.facts_value(rich(subject, controllers, 2).facts)
    await write((plains[0],), "update", subject.did, *await stamp(subject.did), facts)
    await write((ended,), "deactivate", ended.did, *await stamp(ended.did))
    keys = tuple(did_key_of(one.key.suite, one.key.public) for one in plains)
    return Dids((subject.did, *(one.did for one in plains), *keys), (ended.did,), (absent.did,))


@asynccontextmanager
async def own_chain(folder: Path, port: int) -> AsyncIterator[tuple[str, Genesis, Dids]]:
    """A chain of one validator with the DIDs registered."""
    network, _ = open_network(folder, chain_id="didcore-1", validators=1, port=port, params=ChainParams())
    home = network.members[0].config.home
    genesis = load_genesis(home / "genesis.json")
    sponsor = Signer(load_key(home / "keys" / "operator.json", read_passphrase_file(folder / "passphrase")))
    with network:
        network.start()
        async with Client(network.urls, genesis) as client:
            yield network.urls[0], genesis, await register(client, sponsor)


# Run


def run_suite(suite: Path, folder: Path) -> Json:
    """What jest reports. `suite` is the folder packages/did-core-test-server with its npm packages installed; nothing is changed in it."""
    made = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-chainnode.json")}
    told = {
        "didMethods": [file for name, file in made.items() if name.startswith("did-")],
        "resolvers": [made["resolver-chainnode.json"]],
        "dereferencers": [made["dereferencer-chainnode.json"]],
    }
    # Values must come of the tests' own realm, or they are no Objects there: a module reads them.
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")
    (folder / "told.js").write_text('global.systemSuiteConfig = require("./told.json");\n', encoding="utf-8")
    config = {"rootDir": str(suite), "setupFiles": [str(folder / "told.js")], "setupFilesAfterEnv": ["jest-extended", "jest-did-matcher"]}
    (folder / "jest.config.json").write_text(json.dumps(config), encoding="utf-8")
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = ["node", "node_modules/jest/bin/jest.js", "--config", str(folder / "jest.config.json"), "--json", "--outputFile", str(report)]
    done = subprocess.run([*command, "suites"], cwd=suite, capture_output=True, text=True, timeout=300, check=False)
    if not report.exists():
        raise SystemExit(f"the suite did not run:\n{done.stderr[-2000:]}")
    result: Json = json.loads(report.read_text(encoding="utf-8"))
    return result


def tell(report: Json, *, is_as_served: bool) -> int:
    """Print the counts and what failed; 0 when nothing did, or nothing but what was changed since."""
    cases = [case for file in report["testResults"] for case in file["assertionResults"]]
    broken = [file["message"][:1000] for file in report["testResults"] if file["status"] == "failed" and not file["assertionResults"]]
    failed = Counter(case["title"] for case in cases if case["status"] == "failed")
    counts = Counter(case["status"] for case in cases)
    unknown = 0
    for title, count in sorted(failed.items()):
        why = next((why for section, words, why in CHANGED if title.startswith(section) and words in title), "")
        unknown += count if not (is_as_served and why) else 0
        print(f"{count} x {title[:110]}\n      {f'changed since: {why}' if is_as_served and why else 'FAILED'}")
    for message in broken:
        print(message)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['failed'] - unknown} of them by what later standards changed")
    return 1 if unknown or broken or not counts["passed"] else 0


async def make(arguments: argparse.Namespace) -> dict[str, Json]:
    """The files, from the node that is named or one that is started."""
    async with aiohttp.ClientSession() as session:
        if arguments.node:
            dids = Dids(tuple(arguments.did), tuple(arguments.deactivated), tuple(arguments.absent))
            genesis = load_genesis(arguments.genesis)
            files = await Maker(Resolver(session, arguments.node, genesis), is_as_served=arguments.as_served).files(dids)
        else:
            with tempfile.TemporaryDirectory() as place:
                async with own_chain(Path(place) / "net", arguments.port) as (url, genesis, dids):
                    files = await Maker(Resolver(session, url, genesis), is_as_served=arguments.as_served).files(dids)
    return files


def main() -> int:
    """Write the files, and run the suite when it is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files go")
    parser.add_argument("--suite", type=Path, help="run it: the suite's packages/did-core-test-server, npm packages installed")
    parser.add_argument("--as-served", action="store_true", help="write answers as they came, not in the words of DID Core 1.0")
    parser.add_argument("--port", type=int, default=26650, help="first port of the chain that is started")
    parser.add_argument("--node", metavar="URL", help="ask this node, and start none; with --genesis and --did")
    parser.add_argument("--genesis", type=Path, metavar="FILE", help="genesis file of the node's chain, by which answers are verified")
    for name, what in (("--did", "DID with a document"), ("--deactivated", "deactivated DID"), ("--absent", "DID never registered")):
        parser.add_argument(name, action="append", default=[], metavar="DID", help=f"with --node: a {what}; may be repeated")
    arguments = parser.parse_args()
    if arguments.node and not (arguments.genesis and arguments.did):
        parser.error("--node goes with --genesis and at least one --did")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, file in asyncio.run(make(arguments)).items():
        (arguments.folder / name).write_text(json.dumps(file, indent=1) + "\n", encoding="utf-8")
    if arguments.suite is None:
        return 0
    return tell(run_suite(arguments.suite.resolve(), arguments.folder.resolve()), is_as_served=arguments.as_served)


if __name__ == "__main__":
    sys.exit(main())
