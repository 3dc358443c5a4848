"""`chainnode vc verify|status`: whether a credential counts, and what its status lists say, each with what that rests on."""

import argparse
import asyncio
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli import ask
from chainnode.cli.usage import UsageError
from chainnode.cli.vckeys import read_object, read_text, to_text, write_text
from chainnode.client.client import Client
from chainnode.client.credentials import ProvedStatusList, VerifiedCredential
from chainnode.did import w3c
from chainnode.did.keymethod import PREFIX as KEY_PREFIX
from chainnode.did.keymethod import document as key_document
from chainnode.did.record import decode_identity
from chainnode.errors import Malformed, Rejected
from chainnode.node.homes import load_genesis
from chainnode.rfc3339 import time_from_text
from chainnode.types.bundle import StateFact
from chainnode.types.codes import BAD_CREDENTIAL, CODES, OTHER_QUESTION
from chainnode.types.genesis import Genesis
from chainnode.types.limits import BUNDLE_BYTES_MAX
from chainnode.vc import verify
from chainnode.vc.jcs import Document, Json, parse
from chainnode.vc.ledgerproof import with_bundle
from chainnode.vc.listplace import ListPlace, place_of_url
from chainnode.vc.needs import keys_in, needs_of
from chainnode.vc.statuslist import ENTRY_TYPE, read_entry
from chainnode.vc.verify import Result, read_lists
from contracts.identityrecords import NAME, identity_key

_NS_PER_MS = 1_000_000


def run_verify(args: argparse.Namespace) -> int:
    """Say whether a credential or a presentation counts, what was checked, and what not. The ledger proves keys, lists and admissions."""
    value = _value(read_text(args.file))
    is_bound = isinstance(value, str) and (args.domain or args.challenge)
    is_presentation = bool(is_bound) or (isinstance(value, dict) and "VerifiablePresentation" in _types(value))
    if not is_presentation and (args.domain or args.challenge):
        raise UsageError("--domain and --challenge are of presentations, and this is none")
    if args.now is not None and not args.offline:
        raise UsageError("--now goes with --offline: what the ledger is asked for is as of now")
    found = _offline(args, value, is_presentation) if args.offline else asyncio.run(_online(args, value, is_presentation))
    for line in [_json(found)] if args.json else _lines(found):
        print(line)
    if not found.is_valid:
        raise Rejected(CODES[found.result.code], found.result.detail)
    return 0


def _value(text: str) -> Json:
    return parse(text) if text.startswith("{") else text


def _types(value: Document) -> list[object]:
    types = value.get("type")
    return types if isinstance(types, list) else [types]


async def _online(args: argparse.Namespace, value: Json, is_presentation: bool) -> VerifiedCredential:
    documents = {str(one["id"]): one for one in map(_plain_document, args.document)}
    lists = {str(one.get("id")): one for one in map(_file_object, args.list)}
    async with ask.client_of(args, age_ms_max=None) as client:
        if is_presentation:
            asked: dict[str, Any] = {"domain": args.domain, "challenge": args.challenge}
            return await client.verify_presentation(value, **asked, documents=documents, lists=lists)
        return await client.verify_credential(value, documents=documents, lists=lists)


def _offline(args: argparse.Namespace, value: Json, is_presentation: bool) -> VerifiedCredential:
    """With files alone."""
    genesis = None if args.genesis is None else load_genesis(args.genesis)
    now_ms = (time.time_ns() if args.now is None else time_from_text(args.now)) // _NS_PER_MS
    lists = read_lists({str(one.get("id")): one for one in map(_file_object, args.list)}, genesis, now_ms)
    documents: dict[str, Document] = {}
    needed = [needs_of(value), *map(needs_of, lists.signed.values())]
    for path in args.document:
        one = _document(path, genesis, now_ms, {identity_key(did): did for needs in needed for did in needs.dids})
        documents[str(one["id"])] = one
    for did in (did for needs in needed for did in needs.dids if did.startswith(KEY_PREFIX)):
        documents.setdefault(did, key_document(did))
    given = (keys_in(documents), now_ms, lists, genesis)
    if is_presentation:
        return VerifiedCredential(*verify.verify_presentation(value, *given, domain=args.domain, challenge=args.challenge))
    return VerifiedCredential(verify.verify_credential(value, *given))


def _file_object(path: Path) -> Document:
    return read_object(str(path))


def _plain_document(path: Path) -> Document:
    """A DID document, which is believed because the file is given."""
    found = _file_object(path)
    one = found.get("didDocument", found)
    if not isinstance(one, dict) or not isinstance(one.get("id"), str):
        raise UsageError(f"{path} holds no DID document")
    return one


def _document(path: Path, genesis: Genesis | None, now_ms: int, dids: dict[bytes, str]) -> Document:
    """A DID document, or that of a proof which `did resolve --save` has kept, of one of these DIDs by their keys in the state."""
    found = _file_object(path)
    if not {"kind", "claim", "headers"} <= found.keys():
        return _plain_document(path)
    if genesis is None:
        raise UsageError("--genesis FILE says which chain the proof of a document must be of")
    text = json.dumps(found)
    if len(text) > BUNDLE_BYTES_MAX:
        raise UsageError(f"{path} is longer than a proof")
    fact = verify_bundle(bundle_from_json(text), genesis, now_ms * _NS_PER_MS).fact
    if not isinstance(fact, StateFact) or fact.store != NAME or fact.value is None or fact.key not in dids:
        raise Malformed(OTHER_QUESTION, f"{path} proves no document that the credential asks for")
    document = w3c.document(decode_identity(fact.value))
    if document is None:
        raise Malformed(OTHER_QUESTION, f"{path} proves that {dids[fact.key]} was deactivated")
    return document


def _lines(found: VerifiedCredential) -> list[str]:
    lines = _result_lines(found.result, "")
    for number, one in enumerate(found.inside, start=1):
        lines += [f"credential {number}:", *_result_lines(one, "  ")]
    return [*lines, *(f"could not be had: {one}" for one in found.warnings)]


def _result_lines(one: Result, indent: str) -> list[str]:
    what = f"{one.form}{f', by {one.issuer}' if one.issuer else ''}"
    head = f"VALID ({what})" if one.is_valid else f"NOT VALID ({one.code}): {one.detail or CODES[one.code].meaning}"
    lines = [head, *(f"  {line}" for line in one.checked)]
    if one.unchecked:
        lines += ["  not checked:", *(f"    {line}" for line in one.unchecked)]
    return [indent + line for line in lines]


def _json(found: VerifiedCredential) -> str:
    results = [_result_json(one) for one in (found.result, *found.inside)]
    return json.dumps({**results[0], "inside": results[1:], "warnings": list(found.warnings)}, ensure_ascii=False)


def _result_json(one: Result) -> Document:
    keys = [{"method": key.method, "kind": key.kind, "public_key": key.public_key.hex()} for key in one.keys]
    return {**asdict(one), "keys": keys}


# Status


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list, `index` None for all of it; `url` is the name of the list in a credential."""

    place: ListPlace
    index: int | None
    url: str = ""


def run_status(args: argparse.Namespace) -> int:
    """Say what status lists of the ledger say, after which block: of a credential's entries, of one entry, or how many are not 0."""
    places = _places(args)
    if args.save is not None and len(places) != 1:
        raise UsageError("--save keeps one list")
    asyncio.run(_tell(args, places))
    return 0


def _places(args: argparse.Namespace) -> list[Entry]:
    if args.file is None:
        if args.issuer is None or args.list is None:
            raise UsageError("name a credential, or --issuer and --list")
        return [Entry(ListPlace(args.issuer, args.list), args.index)]
    if args.issuer is not None or args.list is not None or args.index is not None:
        raise UsageError("a credential names its lists; --issuer, --list and --index go without one")
    return places_of(read_object(args.file))


def places_of(credential: Document, purpose: str = "") -> list[Entry]:
    """The entries of a credential, for one purpose or all, in lists of a ledger; Malformed(BAD_CREDENTIAL) when there is none."""
    statuses = credential.get("credentialStatus", [])
    found: list[Entry] = []
    for one in statuses if isinstance(statuses, list) else [statuses]:
        if not isinstance(one, dict) or one.get("type") != ENTRY_TYPE:
            continue
        entry = read_entry(one)
        place = place_of_url(entry.credential)
        if place is not None and purpose in ("", entry.purpose):
            found.append(Entry(place, entry.index, entry.credential))
    if not found:
        raise Malformed(BAD_CREDENTIAL, f"the credential has no entry in a list of a ledger{f' for {purpose}' if purpose else ''}")
    return found


async def _tell(args: argparse.Namespace, places: list[Entry]) -> None:
    async with ask.client_of(args, age_ms_max=None) as client:
        for one in places:
            found = await _list(client, one, args.height)
            print(_status_words(found, one.index))
            if args.save is not None:
                write_text(args.save, to_text(with_bundle(found.document, found.proof.bundle)))


async def _list(client: Client, one: Entry, height: int | None) -> ProvedStatusList:
    place = one.place
    if place.chain_id not in ("", client.genesis.chain_id):
        raise Malformed(BAD_CREDENTIAL, f"the list {place.list_id} is one of chain {place.chain_id}, not of {client.genesis.chain_id}")
    return await client.status_list(place.issuer, place.list_id, height, url=one.url)


def _status_words(found: ProvedStatusList, index: int | None) -> str:
    record = found.record
    head = f"list {record.list_id} of {record.issuer}, for {record.purpose}"
    if index is not None:
        return f"{head}, entry {index}: {found.status(index)}, after {found.as_of}"
    total = len(found.bits) * 8 // record.size
    count = sum(found.status(one) != 0 for one in range(total)) if any(found.bits) else 0
    return f"{head}: {count:,} of {total:,} entries are not 0, after {found.as_of}"
