"""Trackers that follow `metrics.jsonl` of a run, while it goes on or afterwards."""
