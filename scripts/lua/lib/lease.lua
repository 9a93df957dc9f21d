-- lease: how long a user's devices are remembered. Part of the scripts that name it in their `uses` line.

local forget_after = 30 * 86400 * 1000
