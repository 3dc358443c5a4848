"""chainnode: a permissioned ledger node whose every answer carries a proof that strangers' software accepts."""
