"""Engines carry out bursts of memory accesses, from fault to fault, in the order of time."""
