"""Collections of labelled videos, their protocols, and the packed arrays that training reads."""
