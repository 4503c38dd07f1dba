"""Numbers turned into a probability, and everything that is done with a model before it scores.

The files here are the classifier and what it learns from; each folder is one thing that is done with it. Where a folder
has a file of its own name, begin with that.
"""
