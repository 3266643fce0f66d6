"""The video tables a second time: from files to gold in plain SQL on DuckDB, written from `data.md` alone."""
