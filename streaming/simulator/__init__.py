"""Simulated reader traffic: deterministic days for the collector, live streams and replays."""
