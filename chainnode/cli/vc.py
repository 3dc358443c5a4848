"""`chainnode vc`: issue credentials, verify them, show them, and say on the ledger which no longer count."""

import argparse
from pathlib import Path

from chainnode import bid
from chainnode.cli import ask, didparties, vcissue, vclists, vclogin, vcverify
from chainnode.cli.usage import argument, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.vc.listrecord import LIST_ENTRIES, SIZES
from chainnode.vc.statuslist import PURPOSES, REVOCATION

_EPILOG = """\
Keys never leave this machine. What the ledger says of keys, status lists and issuers is verified here against --genesis.
docs/credentials.md is a tutorial."""
_INDEX = whole_number(0, LIST_ENTRIES - 1)
_HEIGHT = whole_number(0, 2**63 - 1)


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands below `vc`."""
    top = subparsers.add_parser(
        "vc",
        help="issue, verify, show and revoke credentials",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_issue(actions)
    _add_present(actions)
    _add_verify(actions)
    _add_lists(actions)
    _add_login(actions)


def _add_key(parser: argparse.ArgumentParser) -> None:
    """One key, and which method of whose document it is."""
    parser.add_argument("--key-file", type=Path, required=True, metavar="FILE", help="sealed key that signs")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line; else environment or prompt")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--did", help="whose document lists the key, as the node proves it (default: the key's own did:bid)")
    who.add_argument("--method", metavar="DID#ID", help="the verification method that the key is: nobody is asked")
    who.add_argument("--did-key", action="store_true", help="sign as the did:key of the key: nobody is asked")


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file instead of standard output")


def _add_issue(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    issue = actions.add_parser("issue", help="sign a credential", description=vcissue.run_issue.__doc__)
    issue.add_argument("file", metavar="FILE", help="a credential without proof, or claims of an SD-JWT, in JSON; - for standard input")
    _add_key(issue)
    issue.add_argument("--revocation", metavar="LIST:INDEX", help="its place in a list of revocations")
    issue.add_argument("--suspension", metavar="LIST:INDEX", help="its place in a list of suspensions")
    issue.add_argument("--list-home", metavar="URL", help="where the lists are served, as https://node.example (default: --node)")
    issue.add_argument("--sd-jwt", metavar="VCT", help="make an SD-JWT of this type instead")
    issue.add_argument(
        "--hide", action="append", default=[], metavar="NAME", help="claim that the holder of an SD-JWT may hide; again for more"
    )
    issue.add_argument("--holder-key", metavar="TEXT", help="bind an SD-JWT to this public key: Multikey or Xinghuo's text")
    issue.set_defaults(run=vcissue.run_issue)
    didparties.add_node_options(issue)
    _add_out(issue)


def _add_present(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    present = actions.add_parser("present", help="show credentials to a verifier", description=vcissue.run_present.__doc__)
    present.add_argument("files", nargs="+", metavar="FILE", help="credentials; or one SD-JWT")
    _add_key(present)
    present.add_argument("--domain", required=True, help="the verifier, who said this name")
    present.add_argument("--challenge", required=True, help="what the verifier wants to see again")
    present.add_argument("--show", action="append", default=[], metavar="NAME", help="hidden claim of an SD-JWT to show; again for more")
    present.set_defaults(run=vcissue.run_present)
    didparties.add_node_options(present)
    _add_out(present)


def _add_verify(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    verify = actions.add_parser("verify", help="say whether a credential or presentation counts", description=vcverify.run_verify.__doc__)
    verify.add_argument("file", metavar="FILE", help="- for standard input")
    verify.add_argument("--domain", help="of a presentation: our name")
    verify.add_argument("--challenge", help="of a presentation: what we asked to see again")
    verify.add_argument("--document", action="append", default=[], type=Path, metavar="FILE", help="DID document, or its kept proof")
    verify.add_argument("--list", action="append", default=[], type=Path, metavar="FILE", help="status list")
    verify.add_argument("--offline", action="store_true", help="ask nobody: what --document, --list and --genesis say is all that is known")
    verify.add_argument("--now", metavar="TIME", help="as of this time, with --offline (default: this machine's clock)")
    verify.add_argument("--json", action="store_true", help="print the result as a JSON object")
    verify.set_defaults(run=vcverify.run_verify)
    didparties.add_node_options(verify)
    status = actions.add_parser("status", help="what a status list says", description=vcverify.run_status.__doc__)
    status.add_argument("file", nargs="?", metavar="FILE", help="a credential, whose entries are looked up")
    status.add_argument("--issuer", type=argument(bid.normalise), metavar="DID", help="whose list, without a credential")
    status.add_argument("--list", metavar="ID", help="which list")
    status.add_argument("--index", type=_INDEX, metavar="N", help="which entry (default: how many are not 0)")
    status.add_argument("--height", type=_HEIGHT, metavar="H", help="after this block, one of the last few (default: now)")
    status.add_argument("--save", type=Path, metavar="FILE", help="keep the list with its proof, for verify --offline")
    status.set_defaults(run=vcverify.run_status)
    didparties.add_node_options(status)


def _add_lists(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    create = actions.add_parser("list-create", help="begin a status list", description=vclists.run_create.__doc__)
    create.add_argument("list", metavar="ID", help="its id, one of the issuer's own")
    create.add_argument("--purpose", choices=PURPOSES, default=REVOCATION, help=f"default {REVOCATION}")
    create.add_argument("--size", type=int, choices=SIZES, default=1, help="bits of an entry; more than 1 for messages")
    create.set_defaults(run=vclists.run_create)
    revoke = actions.add_parser("revoke", help="revoke credentials, for ever", description=vclists.run_revoke.__doc__)
    revoke.set_defaults(run=vclists.run_revoke)
    suspend = actions.add_parser("suspend", help="suspend credentials", description=vclists.run_suspend.__doc__)
    suspend.add_argument("--lift", action="store_true", help="let them count again")
    suspend.set_defaults(run=vclists.run_suspend)
    for parser in (revoke, suspend):
        parser.add_argument("files", nargs="*", metavar="FILE", help="credentials")
        parser.add_argument("--list", metavar="ID", help="or a list")
        parser.add_argument("--index", action="append", default=[], type=_INDEX, metavar="N", help="and entries of it")
    schema = actions.add_parser("schema", help="register a version of a schema, or show one", description=vclists.run_schema.__doc__)
    schema.add_argument("schema", metavar="ID", help="its id, one of the issuer's own")
    schema.add_argument("document", nargs="?", type=Path, metavar="FILE", help="the document, whose SHA-256 is registered")
    schema.add_argument("--version", type=whole_number(1, 10**6), metavar="N", help="show this version (default: the newest)")
    schema.set_defaults(run=vclists.run_schema)
    for parser in (create, revoke, suspend, schema):
        parser.add_argument("--issuer", type=argument(bid.normalise), metavar="DID", help="the issuer (default: the DID of the first key)")
        didparties.add_signing_options(parser)


def _add_login(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    role = actions.add_parser("role", help="a credential that a DID holds a role", description=vclogin.run_role.__doc__)
    role.add_argument("did", type=argument(bid.normalise))
    role.add_argument("role")
    role.set_defaults(run=vclogin.run_role)
    didparties.add_node_options(role)
    _add_out(role)
    login = actions.add_parser("login", help="answer the challenge of an application", description=vclogin.run_login.__doc__)
    login.add_argument("--domain", required=True, help="the application that you mean to enter: no other's challenge is signed")
    login.add_argument("--challenge", metavar="FILE", help="its challenge, in JSON; - for standard input (default: ask the node)")
    login.add_argument("--send", action="store_true", help="give the answer to the node, and print who has come in")
    _add_key(login)
    ask.add_node_option(login)
    login.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json; without it the node's word is taken")
    login.set_defaults(run=vclogin.run_login)
