"""`novaha doctor`: examines this node, the cluster and the cloud, and changes nothing.

What is read is in `reading`; every check is a pure function over what was read.
"""
