"""The warehouse: ClickHouse tables made of the lake's."""
