"""What all training shares: devices, seeds, skorch nets, processes, files."""
