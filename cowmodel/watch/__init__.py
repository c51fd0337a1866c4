"""The teaching picture of copy-on-write: a scenario step by step, as frozen snapshots and two views of them.

scenario --snapshot--> Snapshot, Snapshot, ...  --terminal--> text
                                                --page------> one HTML file
"""
