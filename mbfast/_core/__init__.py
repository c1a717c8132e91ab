"""What everything stands on: compilation policy, tiles and threads, the machine, checks, the six components."""
