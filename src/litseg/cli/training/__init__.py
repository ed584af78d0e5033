"""One training: its folder, from its first step or where it stopped, to its result."""
