"""One event package a module; each defines PACKAGE."""
