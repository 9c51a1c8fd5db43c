"""What Pacemaker sees of the agents: requests, exit codes, parameters, metadata."""
