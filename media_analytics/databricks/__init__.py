"""The pipeline on Databricks: the bundle's typed model, its rules, and the command that deploys it."""
