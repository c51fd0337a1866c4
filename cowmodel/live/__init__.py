"""Scenarios on the running Linux kernel: the same steps, counted by the kernel itself."""
