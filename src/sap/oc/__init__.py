"""Operating characteristics of a plan: many simulated trials, decided by the rules that report one."""
