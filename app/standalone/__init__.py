"""`vitrine serve`: a Ray of its own, on this machine alone. On a cluster none of this runs.

Assumed of Ray: it reads `serve_environment.VARIABLES` when it is imported and hands them to all of
its processes; those are children of this process; nothing that it starts outlives a SIGKILL of
them. Ray is imported only after those variables are set.
"""
