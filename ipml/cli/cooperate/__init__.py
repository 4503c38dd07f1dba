"""Commands on what others tell and are told: `ipml cooperate`."""
