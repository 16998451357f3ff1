"""Documents: what bodies are made of, read leniently and written strictly."""
