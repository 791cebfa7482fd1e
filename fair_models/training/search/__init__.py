"""Search for hyperparameters: the values to try, and the study of the trials."""
