"""Applying contracts to real services."""
