"""What models read of recordings: channels, signals, segments and windows."""
