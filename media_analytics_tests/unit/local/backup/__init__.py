"""Backups of homes without services."""
