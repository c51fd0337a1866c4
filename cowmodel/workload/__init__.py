"""Who forks and writes, and when: one workload a file."""
