"""From SDTM tables and one rule of the plan to one more ADaM dataset; no file, no rounding, no looks."""
