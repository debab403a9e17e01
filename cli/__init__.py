"""Command-line programs; installed as the package occgen_cli."""
