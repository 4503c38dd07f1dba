"""The historical year of a programme against counterfeits, simulated at a scale and lived through by ours."""
