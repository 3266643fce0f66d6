"""One contract per table and topic, and the compilers that derive every other schema from it.

Belongs here: contracts, compilers, the audit query, row hashes, reference docs. Does not belong here: I/O,
clients, and dagster or pyspark at module level (compilers import them inside their functions).
"""
