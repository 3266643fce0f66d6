"""Tests: parts of the deployment at work."""
