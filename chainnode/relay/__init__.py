"""The relay: carries headers, packets and proofs between chains, and believes none of them."""
