"""The embedded stack: what runs, in which order, on which port, how it is stopped.

Nothing here is needed in production.
"""
