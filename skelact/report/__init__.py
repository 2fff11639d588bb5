"""Output for people: plots and pages of runs, predictions as tables, subtitles and videos."""
