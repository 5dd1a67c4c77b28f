"""Training: tasks, the loop that runs them, and what is kept of a run."""
