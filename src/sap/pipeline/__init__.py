"""The order of the steps: what each reads, and whether a patient can be seen in what it gives."""
