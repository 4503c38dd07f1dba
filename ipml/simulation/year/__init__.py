"""The historical year of a marketplace's programme against counterfeits, simulated at a scale, on the real programme."""
