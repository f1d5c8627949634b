"""The report: findings, as tables, sentences and one HTML file."""
