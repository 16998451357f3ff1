"""What the notifier decides, without I/O: time, names and bytes are arguments."""
