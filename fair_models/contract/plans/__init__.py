"""Plans of a prediction or a ranking, made from a model's item and a request."""
