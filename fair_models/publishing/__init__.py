"""The only room that changes what is published."""
