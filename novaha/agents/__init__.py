"""One module per agent: request and adapters in, exit code out."""
