"""Numbers turned into a probability: pipeline, evaluation, training, tracking and the model file."""
