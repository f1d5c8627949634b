"""Simulated recordings, and how well they can be predicted at best."""
