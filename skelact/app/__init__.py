"""The application: a server on this machine and the page that it serves. The work is done by the
same functions as that of the command line, in a process of its own (worker.py)."""
