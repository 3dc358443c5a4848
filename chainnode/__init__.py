"""chainnode: a permissioned ledger node whose every answer carries a proof that strangers' software accepts."""

__version__ = "0.1.0"
