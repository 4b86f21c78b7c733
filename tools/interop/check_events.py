"""TensorBoard event files, read back with the tensorboard package: every number of metrics.jsonl, at its step, also where a run was
resumed; checksums are verified by the reader."""
import glob
import json
import os

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

from common import done, log_rows, make_data, path, report, souk

data, out = make_data(log_rows()), path("run")
options = ("--data.dir", data, "--out", out, "--hidden", 16, "--max_positions", 16, "--batch_tokens", 512, "--eval_every", 10,
           "--eval_users", 50, "--log_every", 5, "--decay_steps", 40, "--train.peak_gflops", 50)
souk("pretrain", *options, "--steps", 20)
souk("pretrain", *options, "--steps", 40, "--resume")
# check: TensorBoard reads the event files
files = sorted(glob.glob(os.path.join(out, "events.out.tfevents.*")))
records = sum(1 for f in files for _ in RawEventFileLoader(f).Load())
events = EventAccumulator(out, size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
report("the event files open in TensorBoard", len(files) == 2 and len(tags) > 5, f"{len(files)} files, {records} records, {len(tags)} tags")
lines = [json.loads(x) for x in open(os.path.join(out, "metrics.jsonl"))]
worst, count = 0.0, 0
for line in lines:
    for key, value in line.items():
        if line["kind"] not in ("train", "valid") or key == "step" or not isinstance(value, (int, float)):
            continue
        found = [e.value for e in events.Scalars(f"{line['kind']}/{key}") if e.step == line["step"]]
        if len(found) != 1:
            report("every figure is there once", False, f"{line['kind']}/{key} at step {line['step']}: {len(found)} times")
            done()
        worst = max(worst, abs(found[0] - value) / max(1.0, abs(value)))
        count += 1
report("every figure of metrics.jsonl is there once, at its step", worst <= 1e-6,
       f"{count} figures, largest relative difference {worst:.2e} (event files hold float32)")
done()
