"""A prediction in parts that are made anywhere and put together once."""
