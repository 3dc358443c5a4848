"""`chainnode chain`: apply for an AC number on the main chain, vote on applications, and see which chains there are and how they are."""

import argparse
import asyncio
import hashlib
import json
from pathlib import Path

from chainnode.cli import chainshow, chainvote, didparties
from chainnode.cli.usage import UsageError, reading_words, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.outcomes import TransactionReceipt
from chainnode.did.chainform import Form, endpoints_of, form_from_json, gateways_of, info, new_form, operator_of, read_form, wish_of
from chainnode.did.chainrecord import read_endpoints
from chainnode.errors import Malformed
from chainnode.node.homes import load_genesis
from chainnode.types.limits import CHAIN_EVIDENCE_MAX, CHAIN_FORM_BYTES_MAX, CHAIN_TTL_S_MAX, CHAIN_TTL_S_MIN
from chainnode.types.transaction import Invocation
from contracts import chains
from contracts.chainapplications import CHAIN_TTL_S, arguments_of

_EPILOG = """\
The form is JSON in the field names of Xinghuo's platform (docs/identity-chains.md). --genesis is the genesis.json of the chain that
applies, --main-genesis that of the chain that is asked, without which the node's word is taken.

examples:
  chainnode chain form --operator did:bid:ef… --name City --ac byo1 --endpoint https://resolver.city.example > city.json
  chainnode chain apply --form city.json --genesis city/genesis.json --evidence licence.pdf --key-file operator.json
  chainnode chain list --applications
  chainnode chain vote 7 yes --genesis city/genesis.json --until 2027-12-31T00:00:00Z --key-file super.json
  chainnode chain vote 7 no --reason "the permit has run out" --key-file super.json
  chainnode chain show byo1
  chainnode verify record.json --genesis genesis.json --about chain:byo1"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands below `chain`."""
    top = subparsers.add_parser(
        "chain",
        help="AC numbers: apply, vote, list, show",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    form = actions.add_parser("form", help="print a form with what must be in it", description=_form.__doc__)
    form.add_argument("--operator", required=True, metavar="DID", help="who runs the chain, a DID of the main chain")
    form.add_argument("--name", required=True, help="the chain's name, 30 letters at most")
    form.add_argument("--ac", required=True, metavar="NUMBER", help="the AC number that you wish for: four small letters or digits")
    form.add_argument("--endpoint", action="append", required=True, metavar="URL", help="a node of the chain that answers; again for each")
    form.add_argument("--gateway", action="append", default=[], metavar="DID", help="a gateway (default: the operator); again for each")
    form.add_argument("--industry", default="I", metavar="CODE", help="what it is in: the platform's code, up to 4 letters (default I)")
    form.add_argument("--description", default="", metavar="TEXT", help="what the chain is for (default: its name)")
    form.set_defaults(run=_form)
    apply = actions.add_parser("apply", help="apply for an AC number", description=_apply.__doc__)
    _add_form(apply)
    apply.add_argument("--genesis", required=True, type=Path, metavar="FILE", help="the genesis.json of the chain that applies")
    apply.add_argument(
        "--evidence", action="append", default=[], type=Path, metavar="FILE", help="a document whose SHA-256 goes on record; again for each"
    )
    apply.set_defaults(run=_apply)
    update = actions.add_parser("update", help="change resolvers, gateways and ttl of a chain", description=_update.__doc__)
    update.add_argument("ac", help="the AC number")
    _add_form(update)
    update.set_defaults(run=_update)
    appeal = actions.add_parser("appeal", help="appeal against suspension or revocation", description=_appeal.__doc__)
    appeal.add_argument("ac", help="the AC number")
    appeal.add_argument("text", help="what you have to say")
    appeal.add_argument("--evidence", type=Path, metavar="FILE", help="a document whose SHA-256 goes on record")
    appeal.set_defaults(run=_appeal)
    chainvote.add_parser(actions)
    chainshow.add_parser(actions)
    for parser in (apply, update, appeal):
        add_signing_options(parser)


def _add_form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--form", required=True, type=Path, metavar="FILE", help="the form, JSON")
    parser.add_argument(
        "--ttl-s",
        type=whole_number(CHAIN_TTL_S_MIN, CHAIN_TTL_S_MAX),
        default=CHAIN_TTL_S,
        metavar="S",
        help=f"how long what the chain says counts, from the header that proves it (default {CHAIN_TTL_S})",
    )


def add_signing_options(parser: argparse.ArgumentParser) -> None:
    """The node, its chain, and the keys of who signs."""
    chainshow.add_node_options(parser)
    parser.add_argument(
        "--key-file",
        "--key",
        dest="key_files",
        action="append",
        required=True,
        metavar="[DID=]FILE",
        help="sealed key of the operator; again for each signer",
    )
    parser.add_argument("--sponsor-key-file", metavar="[DID=]FILE", help="sealed key of who sends the transaction, and holds a role")
    didparties.add_passphrase_option(parser)
    parser.set_defaults(signer=[], sponsor=None, offline_sign=None)


def _form(args: argparse.Namespace) -> int:
    """Print the form of a chain of this program, to be looked over, filled up and given to `apply`."""
    chainshow.check_ac(args.ac)
    with reading_words():
        form = new_form(
            name=args.name,
            operator=args.operator,
            ac=args.ac,
            endpoints=args.endpoint,
            gateways=args.gateway,
            industry=args.industry,
            description=args.description,
        )
        printed = json.dumps(read_form(form), indent=2, ensure_ascii=False)
        read_endpoints(endpoints_of(form))
    print(printed)
    return 0


def _apply(args: argparse.Namespace) -> int:
    """Apply for an AC number, or for a change of what was admitted. Prints the number of the application."""
    form, genesis = _read_form(args.form), load_genesis(args.genesis)
    if len(args.evidence) > CHAIN_EVIDENCE_MAX:
        raise UsageError(f"an application names at most {CHAIN_EVIDENCE_MAX} documents")
    call = Invocation(chains.NAME, "apply", arguments_of(genesis, form, ttl_s=args.ttl_s, evidence=[_digest(one) for one in args.evidence]))
    done = asyncio.run(_send(args, call, operator_of(form)))
    number = done.values[0]
    assert isinstance(number, int)
    print(f"application {number}: {operator_of(form)} asks for {wish_of(form)} for the chain {genesis.chain_id}, {info(form, 'name')}")
    print(f"resolvers {', '.join(endpoints_of(form))}; gateways {', '.join(gateways_of(form))}")
    print(f"super nodes vote on it with `chainnode chain vote {number} yes`; see `chainnode chain show --application {number}`")
    return 0


def _update(args: argparse.Namespace) -> int:
    """Change resolvers, gateways and ttl of a chain. The form says all as it is now; name, industry, permit take a new application."""
    chainshow.check_ac(args.ac)
    form = _read_form(args.form)
    asyncio.run(_send(args, Invocation(chains.NAME, "update", (args.ac, form, args.ttl_s)), operator_of(form)))
    print(f"{args.ac} changed: resolvers {', '.join(endpoints_of(form))}; gateways {', '.join(gateways_of(form))}")
    return 0


def _appeal(args: argparse.Namespace) -> int:
    """Appeal against the suspension or revocation of a chain, as its operator. The council answers with a reason, on record."""
    chainshow.check_ac(args.ac)
    evidence = b"" if args.evidence is None else _digest(args.evidence)
    done = asyncio.run(_send(args, Invocation(chains.NAME, "appeal", (args.ac, args.text, evidence)), None))
    number = done.values[0]
    assert isinstance(number, int)
    print(f"appeal {number} of {args.ac} is open; see `chainnode chain show {args.ac}`")
    return 0


async def _send(args: argparse.Namespace, call: Invocation, operator: str | None) -> TransactionReceipt:
    """Sign as the operator, who is on record when the call does not name it, and submit."""
    parties = didparties.open_keys(args)
    async with chainshow.client_of(args) as client:
        who = operator or (await chainshow.require_chain(client, str(call.arguments[0])))[0].operator
        done = await didparties.act(chainshow.asking_main(args), client, call, (who,), parties)
    assert done is not None, "nobody signs elsewhere"
    return done


def _read_form(path: Path) -> Form:
    """The form in a file; UsageError names the file and what is wrong in it."""
    try:
        with path.open("rb") as opened:
            content = opened.read(4 * CHAIN_FORM_BYTES_MAX + 1)
        return form_from_json(content.decode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    except Malformed as error:
        raise Malformed(error.code, f"{path}: {error.detail}") from error


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
