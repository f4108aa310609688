"""Lets ``python -m mssviz`` do what ``mssviz`` does."""

from mssviz.cli import main

main()
