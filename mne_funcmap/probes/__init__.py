"""Questions to embeddings beyond accuracy: each a function that returns a table."""
