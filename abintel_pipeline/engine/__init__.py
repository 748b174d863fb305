"""All that belongs to one engine, DuckDB: its connection, SQL text, cursors."""
