"""How the tables came about, one step after another. Each file in `versions/` is one revision, numbered in order."""
