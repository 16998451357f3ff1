"""The tables behind the port, and word of their changes."""
