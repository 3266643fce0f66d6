"""The ClickHouse gateway as clients see it, each session with a gateway of its own."""
