"""Statistics computed a second time, by another route and without any code of the first."""
