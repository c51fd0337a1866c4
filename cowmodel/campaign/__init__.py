"""Campaigns: many runs of one experiment, kept, gone on with, and summed up."""
