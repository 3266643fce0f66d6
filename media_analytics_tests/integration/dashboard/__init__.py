"""The dashboard's API and pages on real services."""
