"""One module for each method: request to command."""
