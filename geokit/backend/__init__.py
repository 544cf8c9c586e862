"""The Python face of the native layer: argument checks and torch operators."""
