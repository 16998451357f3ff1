"""Keeps XCAP documents fresh."""
