"""Files in buckets of Amazon's S3 and of servers that speak it."""
