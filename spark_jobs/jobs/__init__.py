"""Entry points of Spark processes: read the environment, then call what does the work."""
