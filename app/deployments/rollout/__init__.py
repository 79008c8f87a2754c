"""`vitrine deploy`: check a Serve config file, ask the nodes of a cluster, deploy and follow.

config.py      the file, without a cluster
node.py        what one node has; it runs there
inspection.py  the job that asks every node; it runs in the cluster
verdict.py     what the nodes' reports mean for the file
demand.py      how many replicas must run at once
capacity.py    whether the replicas fit
completion.py  Serve's variables that the file leaves out
dashboard.py   the cluster, by the HTTP address of its head node
running.py     what the Serve that runs already means for the file
progress.py    what Serve tells of a rollout
rollout.py     all of it in turn
"""
