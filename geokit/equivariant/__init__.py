"""Networks that are equivariant by construction: position-orientation message passing and irreps."""
