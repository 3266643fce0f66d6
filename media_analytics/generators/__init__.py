"""Makers of source files for demos, tests and benchmarks. Nothing in production needs them."""
