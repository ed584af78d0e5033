"""From a composed config to the objects of a training, wired in plain sight."""
