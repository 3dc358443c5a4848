"""`chainnode vc issue|present`: sign credentials, and show them to one verifier."""

import argparse
import time

from chainnode.cli.diddocuments import read_public_key
from chainnode.cli.usage import UsageError, whole_number
from chainnode.cli.vckeys import Holder, open_holder, read_object, read_text, to_text, write_text
from chainnode.errors import Malformed
from chainnode.node.homes import load_genesis
from chainnode.types.codes import BAD_CREDENTIAL
from chainnode.vc import sdjwt
from chainnode.vc.contexts import BASE
from chainnode.vc.credential import check_presentation
from chainnode.vc.dataintegrity import ASSERTION_METHOD, AUTHENTICATION_METHOD, ProofOptions, secured
from chainnode.vc.issuing import issued, status_entry
from chainnode.vc.jcs import Document, parse_document
from chainnode.vc.listplace import ListPlace
from chainnode.vc.listrecord import LIST_ENTRIES
from chainnode.vc.sdjwt import is_sdjwt
from chainnode.vc.statuslist import REVOCATION, SUSPENSION
from chainnode.vc.timestamps import timestamp_text

_NS_PER_MS = 1_000_000


def run_issue(args: argparse.Namespace) -> int:
    """Sign a credential with a key of its issuer. With --method or --did-key nothing is asked of anybody."""
    given = read_object(args.file)
    if (args.hide or args.holder_key) and args.sd_jwt is None:
        raise UsageError("--hide and --holder-key are about SD-JWTs: give --sd-jwt too")
    if args.sd_jwt is not None and (args.revocation or args.suspension):
        raise UsageError("an SD-JWT has no place in a bitstring status list")
    holder = open_holder(args, ASSERTION_METHOD)
    if args.sd_jwt is not None:
        bound = None if args.holder_key is None else read_public_key(args.holder_key)
        claims = {"iss": holder.did, "vct": args.sd_jwt, **given}
        write_text(args.out, sdjwt.issue(claims, tuple(args.hide), holder.key, method=holder.method, holder=bound))
        return 0
    write_text(args.out, to_text(issued(given, holder.key, holder.method, _now_ms(), entries=_entries(args, holder))))
    return 0


def _entries(args: argparse.Namespace, holder: Holder) -> tuple[Document, ...]:
    """The places in status lists that the options name."""
    named = [(purpose, text) for purpose, text in ((REVOCATION, args.revocation), (SUSPENSION, args.suspension)) if text is not None]
    if not named:
        return ()
    if args.genesis is None:
        raise UsageError("--genesis FILE says which chain keeps the status lists")
    chain_id, made = load_genesis(args.genesis).chain_id, []
    for purpose, text in named:
        list_id, mark, index = text.rpartition(":")
        if not mark or not list_id:
            raise UsageError(f"{text!r} is not LIST:INDEX")
        try:
            number = whole_number(0, LIST_ENTRIES - 1)(index)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"--{purpose}: {error}") from error
        made.append(status_entry(args.list_home or args.url, ListPlace(holder.did, list_id, chain_id), purpose, number))
    return tuple(made)


def run_present(args: argparse.Namespace) -> int:
    """Show credentials to a verifier, for its domain and challenge: nobody else can show them again. The key is the holder's."""
    texts = [read_text(name) for name in args.files]
    if any(map(is_sdjwt, texts)):
        if len(texts) != 1:
            raise UsageError("an SD-JWT is shown alone")
        key = open_holder(args, AUTHENTICATION_METHOD).key
        shown = sdjwt.present(texts[0], tuple(args.show), holder_key=key, nonce=args.challenge, audience=args.domain, now_ms=_now_ms())
        write_text(args.out, shown)
        return 0
    if args.show:
        raise UsageError("--show is about hidden claims of an SD-JWT")
    credentials = [parse_document(text) for text in texts]
    holder = open_holder(args, AUTHENTICATION_METHOD)
    presentation: Document = {
        "@context": [BASE],
        "type": ["VerifiablePresentation"],
        "holder": holder.did,
        "verifiableCredential": credentials,
    }
    check_presentation(presentation)
    options = ProofOptions(
        holder.method,
        purpose=AUTHENTICATION_METHOD,
        created=timestamp_text(_now_ms() // 1000 * 1000),
        domain=args.domain,
        challenge=args.challenge,
    )
    if not args.challenge:
        raise Malformed(BAD_CREDENTIAL, "a challenge says something")
    write_text(args.out, to_text(secured(presentation, holder.key, options)))
    return 0


def _now_ms() -> int:
    return time.time_ns() // _NS_PER_MS
