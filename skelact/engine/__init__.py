"""Training, evaluation and prediction on arrays. Knows nothing of videos."""
