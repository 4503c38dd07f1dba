"""Commands on what follows from decisions: `ipml enforce`."""
