"""Other chains: the bytes and rules by which their headers, states and packets are verified here."""
