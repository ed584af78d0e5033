"""Augmentation, crops, sampling by class, copy-paste and mixing."""
