"""The lamplighter command."""
