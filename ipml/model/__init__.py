"""Model: the classifier, its training, evaluation, promotion and monitoring.

The modules here are the classifier; each folder is one task. In a folder, begin with the module of its name, if any.

Parameters with one meaning everywhere: `seed` draws; `tracking_uri` is MLflow's tracking and registry URI, by default
that of the settings; `say` is called with a message on each step, for a progress display.
"""
