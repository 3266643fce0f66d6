"""Unit tests of the makers of source files."""
