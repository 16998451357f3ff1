"""What the benchmarks share: servers to measure, presload as load and referee, and whether a run counts."""
