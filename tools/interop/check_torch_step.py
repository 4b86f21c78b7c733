"""tools/gpu/torch_step.py, which stands beside Souk's steps on a GPU, runs; here on the CPU, with a tiny model."""
import os
import re
import subprocess
import sys

from common import done, report

# check: PyTorch's side of tools/gpu/check.sh
script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gpu", "torch_step.py")
shapes = "--hidden 32 --layers 2 --heads 2 --vocab 200 --length 16 --sequences 8 --masked 0.15 --steps 3".split()
run = subprocess.run([sys.executable, script, *shapes], capture_output=True, text=True, check=False)
last = run.stdout.strip().splitlines()[-1:] or [run.stderr[-300:]]
report("training steps in PyTorch", run.returncode == 0 and re.match(r"tokens/s: fp32 [1-9]\d*", last[0]) is not None, last[0])
done()
