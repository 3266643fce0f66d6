"""Sinks: from enriched topics into stores, exactly once."""
