"""What work costs in time, on a machine that someone measured."""
