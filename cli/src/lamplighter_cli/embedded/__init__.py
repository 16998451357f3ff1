"""Servers that come with our Python packages: PostgreSQL and NATS."""
