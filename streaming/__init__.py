"""Long-running streaming processes: collector, enricher, sinks, simulator, dead letters."""
