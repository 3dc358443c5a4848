"""What must survive a restart: the ledger, the consensus journal, the sign guard and key files."""
