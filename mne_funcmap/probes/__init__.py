"""Questions to embeddings and models, beyond accuracy: each a function, each a table."""
