"""Faults on purpose: kill, stall and fill the disk of an embedded stack under load, then prove that nothing is lost."""
