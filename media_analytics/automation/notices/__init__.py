"""Telling people: what happened to runs and tables, by e-mail and Slack, each thing once."""
