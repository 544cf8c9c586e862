"""Networks that are equivariant by construction, on Lie groups, positions and orientations, and irreps; tools for any."""
