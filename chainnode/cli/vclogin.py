"""`chainnode vc role|login`: a role as a credential, and coming in to an application with a DID."""

import argparse
import asyncio
import json

from chainnode.cli import ask
from chainnode.cli.desk import Desk
from chainnode.cli.vckeys import open_holder, read_object, to_text, write_text
from chainnode.errors import Rejected
from chainnode.types.codes import WRONG_CHALLENGE
from chainnode.vc.dataintegrity import AUTHENTICATION_METHOD
from chainnode.vc.login import answer_json, read_challenge, sign_challenge


def run_role(args: argparse.Namespace) -> int:
    """A credential that a DID holds a role, with the ledger's proof in it: whoever has the genesis file verifies it offline."""

    async def run() -> dict[str, object]:
        async with ask.client_of(args, age_ms_max=None) as client:
            return await client.role_credential(args.did, args.role)

    write_text(args.out, to_text(asyncio.run(run())))
    return 0


def run_login(args: argparse.Namespace) -> int:
    """Sign the challenge of an application. The signature lets this DID in there, once, and is good for nothing else."""
    desk = Desk(args.url)
    given = desk.get(f"/v1/login/challenge?domain={args.domain}") if args.challenge is None else read_object(args.challenge)
    challenge = read_challenge(given)
    if challenge.domain != args.domain:
        raise Rejected(WRONG_CHALLENGE, f"the challenge is of {challenge.domain}, and you mean to enter {args.domain}")
    holder = open_holder(args, AUTHENTICATION_METHOD)
    answer = answer_json(sign_challenge(challenge, holder.did, holder.method, holder.key))
    print(json.dumps(desk.post("/v1/login", answer) if args.send else answer, indent=2, ensure_ascii=False))
    return 0
