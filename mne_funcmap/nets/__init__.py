"""Torch modules: encoders and losses. No input or output, no scikit-learn."""
