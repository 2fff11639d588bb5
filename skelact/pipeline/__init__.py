"""The stages in order: what is cached is skipped, what fails is collected, progress goes to a
listener. Prints nothing."""
