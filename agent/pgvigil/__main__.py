"""Run `python -m pgvigil`."""

from pgvigil.cli import main

main()
