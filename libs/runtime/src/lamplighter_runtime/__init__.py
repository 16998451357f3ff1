"""The shell every service runs in."""
