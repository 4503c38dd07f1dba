"""How the tables came to be, one step a file. A step, once released, is never edited."""
