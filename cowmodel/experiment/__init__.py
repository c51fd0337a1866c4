"""From a configuration or a sweep on disk to results on disk."""
