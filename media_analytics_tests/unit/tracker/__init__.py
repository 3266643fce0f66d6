"""Tests of the tracker that need no browser."""
