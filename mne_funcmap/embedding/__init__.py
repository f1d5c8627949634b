"""What embedders are made of: training, read-out, files."""
