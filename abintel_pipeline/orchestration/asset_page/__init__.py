"""What the Dagster UI shows of an asset: columns, lineage, checks, pictures."""
