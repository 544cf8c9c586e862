"""Networks that are equivariant by construction (Lie groups, positions and orientations, irreps), tools for all."""
