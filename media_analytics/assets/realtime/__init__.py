"""Tables of live numbers, written by the ClickHouse sink."""
