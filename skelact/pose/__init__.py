"""From frames to persons: pose estimators, tracking, import of other programs' poses, and the
per-frame JSON. No module of this package imports torch, LiteRT or mmpose when it is imported."""
