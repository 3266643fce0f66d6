"""The command line, one module a topic. Heavy imports stay inside the functions."""
