"""The ClickHouse gateway of the embedded stack: chDB behind ClickHouse's HTTP protocol.

Belongs here: HTTP, users and limits, sessions, and how a request becomes one chDB statement. Does not belong here:
anything production needs (a ClickHouse server answers there) and anything about our own tables.
"""
