"""The audit: a bundle is rebuilt from its frozen data and compared, number by number."""
