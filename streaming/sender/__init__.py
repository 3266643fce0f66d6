"""Clients of the collector: posting with retries, progress that survives a kill, log files as batches."""
