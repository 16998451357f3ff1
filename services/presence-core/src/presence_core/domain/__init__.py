"""The rules of the core: no clocks, sockets, logs or locks."""
