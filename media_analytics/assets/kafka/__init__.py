"""Topics of the event log, written by streaming processes."""
