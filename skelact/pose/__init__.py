"""From pictures to persons: estimators behind one protocol, person ids, and the per-frame JSON.
Only the mmpose adapter knows torch."""
