"""Bringing running services in line with the contracts, readers first.

Belongs here: comparing what a contract says with what a service has, and carrying out the difference. Does not belong
here: contracts (`contracts/`), data migrations, starting services (`local/`).
"""
