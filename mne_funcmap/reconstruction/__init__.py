"""What reconstructors are made of: moments, networks, adaptation, files."""
