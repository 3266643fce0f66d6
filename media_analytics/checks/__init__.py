"""What is true of the data: contract audits, completeness, and what is broken now."""
