"""Tables and figures, drawn from what is on disk."""
