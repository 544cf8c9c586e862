"""Files to geometry and back."""
