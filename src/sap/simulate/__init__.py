"""A simulated CARVE extract; TS marks the data as synthetic (SYNTHDAT = Y)."""
