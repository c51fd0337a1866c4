"""What a study varies: when private memory is copied."""
