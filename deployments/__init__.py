"""Where the flows run: work pools and job templates, one file per place."""
