"""Connections to stores and services, one module each."""
