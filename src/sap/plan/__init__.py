"""The plan as the code reads it: strict, sourced, hashed."""
