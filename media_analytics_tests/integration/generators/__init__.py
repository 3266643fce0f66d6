"""Makers of data against the real stores."""
