"""Contract compilers against real engines."""
