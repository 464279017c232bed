"""Run a command within a limit of machine time, its children's included: `python .ci/within.py SECONDS COMMAND...`.

CPU time, so that a machine with other work, or a slow network, does not decide.
"""

import resource
import subprocess
import sys

limit, command = float(sys.argv[1]), sys.argv[2:]
code = subprocess.run(command, check=False).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = used.ru_utime + used.ru_stime
print(f"{' '.join(command)}: {seconds:.1f} s of machine time, limit {limit:g} s", flush=True)
sys.exit(code or seconds > limit)
