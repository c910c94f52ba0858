"""A simulated CARVE extract: never the trial's data, and it says so in TS (SYNTHDAT = Y)."""
