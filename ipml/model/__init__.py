"""Model: the classifier, its training, evaluation, promotion and monitoring.

The modules here are the classifier; each folder is one task. In a folder, begin with the module of its name, if any.

Parameters with one meaning everywhere: `y`, of shape (n_listings,), is 1 or True where the listing is counterfeit; the
same `seed` makes the same random draws; `say` is called with a message on each step, for a progress display.
"""
