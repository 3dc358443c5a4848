"""A network of nodes on this machine: each a process of its own, started, watched and stopped together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.config import Config, load_config, split_address
from chainnode.node.homes import write_network
from chainnode.types.codes import BAD_CONFIG, NOT_READY, PORT_IN_USE
from chainnode.types.genesis import ChainParams

LOG_FILE = "node.log"
START_S, STOP_S = 30.0, 15.0
_POLL_S = 0.1


@dataclass(slots=True)
class Member:
    """One node of the network."""

    config: Config
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its API."""
        return f"http://{self.config.api_listen}"

    @property
    def log_path(self) -> Path:
        """Where its log goes."""
        return self.config.home / LOG_FILE


class Network:
    """The nodes below a folder. `with` stops whatever still runs at its end."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def __enter__(self) -> "Network":
        """The network itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all nodes."""
        self.stop()

    @property
    def urls(self) -> list[str]:
        """The APIs of all nodes."""
        return [member.url for member in self.members]

    def start(self) -> None:
        """Start every node and wait until each serves; Unavailable(NOT_READY) with the end of a log when one does not."""
        for member in self.members:
            self.start_one(member)
        deadline = time.monotonic() + START_S
        for member in self.members:
            while not _is_ready(member.url):
                self.check()
                if time.monotonic() > deadline:
                    raise Unavailable(NOT_READY, f"{member.config.node_name} did not get ready in {START_S:.0f} s:\n{log_tail(member)}")
                time.sleep(_POLL_S)

    def start_one(self, member: Member) -> None:
        """Start one node."""
        for address in (member.config.peers_listen, member.config.api_listen):
            _check_free(address)
        with member.log_path.open("ab") as log:
            member.process = subprocess.Popen(
                [sys.executable, "-m", "chainnode.cli.main", "run", "--home", str(member.config.home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop the nodes in order
                env={key: value for key, value in os.environ.items() if not key.startswith("CHAINNODE_")},
            )

    def check(self) -> None:
        """Unavailable(NOT_READY) when a node has ended by itself."""
        for member in self.members:
            if member.process is not None and member.process.poll() is not None:
                name, code = member.config.node_name, member.process.returncode
                raise Unavailable(NOT_READY, f"{name} ended with code {code}; the end of its log:\n{log_tail(member)}")

    def kill(self, member: Member) -> None:
        """Take a node's power, as SIGKILL does."""
        assert member.process is not None
        member.process.kill()
        member.process.wait()
        member.process = None

    def stop(self) -> list[str]:
        """Ask all to end, wait, and kill what does not; the names of those that did not end well."""
        running = [member for member in self.members if member.process is not None]
        for member in running:
            assert member.process is not None
            member.process.send_signal(signal.SIGTERM)
        bad: list[str] = []
        for member in running:
            assert member.process is not None
            try:
                code = member.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            if code != 0:
                bad.append(member.config.node_name)
            member.process = None
        return bad


def open_network(folder: Path, *, chain_id: str, validators: int, port: int, params: ChainParams) -> tuple[Network, bool]:
    """The network in `folder`, made when there is none; and whether it was made now."""
    if validators < 1:
        raise Malformed(BAD_CONFIG, "a network has at least one validator")
    homes = sorted(folder.glob("super-*"), key=lambda home: int(home.name.partition("-")[2] or 0))
    is_new = not homes
    if is_new:
        homes = write_network(folder, chain_id=chain_id, validators=validators, port=port, time_ns=time.time_ns(), params=params)
    elif len(homes) != validators:
        raise Rejected(BAD_CONFIG, f"{folder} holds a network of {len(homes)} validators, not {validators}; name another --dir")
    return Network([Member(load_config(home, {})) for home in homes]), is_new


def log_tail(member: Member, lines: int = 8) -> str:
    """The last lines of a node's log."""
    try:
        return "\n".join(member.log_path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def get_json(url: str, timeout_s: float = 5.0) -> object:
    """What a GET answers, as JSON."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        return json.load(answer)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _check_free(address: str) -> None:
    host, port = split_address(address)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(PORT_IN_USE, f"{address} is taken; choose other ports with --port, or stop what uses it") from error
