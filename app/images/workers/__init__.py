"""Images are read in worker processes, in groups: a process can be stopped, and may crash."""
