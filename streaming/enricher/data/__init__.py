"""Rule tables of the enricher. `enrichment_version` changes with their content."""
