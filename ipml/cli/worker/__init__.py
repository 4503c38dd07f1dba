"""Worker: `ipml worker`, one process that does all timed jobs."""
