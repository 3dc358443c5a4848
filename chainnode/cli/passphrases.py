"""Where the passphrase of a node's keys comes from."""

from chainnode.cli.keys import read_passphrase
from chainnode.node.config import Config
from chainnode.node.homes import read_passphrase_file


def node_passphrase(config: Config) -> str:
    """From the file that the settings name, below the home unless absolute; else the environment, else a prompt."""
    if config.keys_passphrase_file:
        return read_passphrase_file(config.home / config.keys_passphrase_file)
    return read_passphrase(None, is_new=False)
