"""Dataset metadata, schemas and indices."""
