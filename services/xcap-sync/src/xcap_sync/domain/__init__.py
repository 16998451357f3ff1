"""What xcap-sync decides, without I/O."""
