"""The dashboard: an API over what the stores know, and pages that ask the API only."""
