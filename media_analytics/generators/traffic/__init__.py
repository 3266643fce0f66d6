"""Months of simulated readers as rows of ClickHouse, made by ClickHouse itself from a seed."""
