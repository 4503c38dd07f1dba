"""Model: the classifier, its training, evaluation, promotion and monitoring.

The modules here are the classifier; each folder is one task. In a folder, begin with the module of its name, if any.
"""
