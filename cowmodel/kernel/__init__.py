"""What the operating system does, in counts: no time passes here."""
