"""SQL over topics as they fill: views of topics, queries that run until they are stopped."""
