"""From ADaM datasets to rows of the ARD; nothing here formats, rounds or derives."""
