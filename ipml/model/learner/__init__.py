"""The learner of the first stage: ours, a mean of penalised logistic regressions, or one of scikit-learn."""
