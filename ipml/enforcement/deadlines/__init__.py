"""Legal deadlines: how long somebody has to act, by the law of the place, and what follows when they do not."""
