"""The stores behind the port: PostgreSQL, and memory for tests."""
