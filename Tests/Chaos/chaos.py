#!/usr/bin/env python3
"""chaos.py PROGRAM FOLDER MINUTES SEED: random faults for a run under `fgn-dist launch`, on the two hosts of Tests/Hosts.

At the end the model must be that of a run that nothing disturbed, bit for bit, no process may be left, and no fault may have
needed a person. scripts/test-chaos.sh starts it, with the hosts up and their variables in the environment.
"""

import collections
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time

from faults import FAULTS, Failure

CONFIGURATION = """\
model: {layers: [{linear: 32}, tanh]}
optimizer: {batch_size: 200, solver: {kind: cg}, damping: {policy: constant, initial: 0.1}, schedule: {kind: constant}}
training: {steps: 100000000, evaluate_every: 0, reproducible: true, peer_timeout: 4}
checkpoint: {every: 20, keep: 3, mirror: FOLDER/mirror}
logging: {tensorboard: false, prometheus: FOLDER/run.prom}
"""


class Clock:
    """The time of day of a run, which can jump: see clock.c."""

    def __init__(self, folder):
        self.library, path = os.path.join(folder, "clock.so"), os.path.join(folder, "clock")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock.c")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self.library, source], check=True)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self.environment = {"LD_PRELOAD": self.library, "FGN_CLOCK": path}
        self.set(0)

    def set(self, offset):
        """Makes it so many seconds fast."""
        self.offset = offset
        os.pwrite(self.file, struct.pack("=q", offset), 0)

    def rules(self, process):
        """Whether a process has it, or has ended."""
        try:
            with open(f"/proc/{process}/maps") as file:
                return self.library in file.read()
        except OSError:
            return True


class Run:
    """The run that is disturbed."""

    def __init__(self, program, folder, seed):
        self.program, self.folder = os.path.realpath(program), folder
        self.random = random.Random(seed)
        name = os.environ["FGN_HOSTS_NAME"]
        self.first, self.second = name + "1", name + "2"
        self.hosts_script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Hosts", "hosts.sh")
        with open(os.path.join(os.environ["FGN_HOSTS"], "relay.pid")) as file:
            self.relay = int(file.read())
        # Disks of their own, which can be filled, with room for the metrics of an hour: some 100 MB.
        self.disk, self.mirror = os.path.join(folder, "disk"), os.path.join(folder, "mirror")
        for disk in self.disk, self.mirror:
            os.mkdir(disk)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", disk], check=True)
        self.directory = os.path.join(self.disk, "run")
        self.copies = os.path.join(self.mirror, "run")
        # The step that the next attempt must go on from; None where nobody knows.
        self.expected = None
        self.list = os.path.join(folder, "hosts")
        self.list_hosts(self.first, self.second)
        self.configuration = os.path.join(folder, "run.yaml")
        with open(self.configuration, "w") as file:
            file.write(CONFIGURATION.replace("FOLDER", folder))
        self.clock = Clock(folder)
        self.log = os.open(os.path.join(folder, "launch.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.starts = 0

    def start(self):
        """Starts a supervisor, as systemd would."""
        limits = ["--max-restarts", "1000000", "--max-fruitless", "30", "--max-host-failures", "1000000"]
        self.starts += 1
        self.supervisor = subprocess.Popen(
            [self.hosts_script, "run", self.first, self.program, "launch", "--hosts", self.list, "--grow"]
            + ["--discovery-interval", "3", "--start-timeout", "30", *limits, "--", "train", self.configuration]
            + ["--run-directory", self.directory],
            env=os.environ | self.clock.environment,
            stdout=self.log,
            stderr=self.log,
        )

    # What is there.

    def pids(self, host):
        """The processes of a host, but for the relay."""
        text = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True, check=True).stdout
        return [int(word) for word in text.split() if int(word) != self.relay]

    def ranks(self, *hosts):
        """The processes that train."""
        found = []
        for process in [process for host in hosts or (self.first, self.second) for process in self.pids(host)]:
            try:
                with open(f"/proc/{process}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
                if words[1:2] == [b"train"] and os.readlink(f"/proc/{process}/exe") == self.program:
                    found.append(process)
            except OSError:
                pass
        return sorted(found)

    def processes(self, name):
        """The processes of that name on both hosts."""
        found = []
        for process in self.pids(self.first) + self.pids(self.second):
            try:
                with open(f"/proc/{process}/comm") as file:
                    if file.read().strip() == name:
                        found.append(process)
            except OSError:
                pass
        return sorted(found)

    def checkpoints(self, place=None):
        """The checkpoints in the run directory or another place, the newest last."""
        folder = os.path.join(place or self.directory, "checkpoints")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        return [os.path.join(folder, name) for name in names if name.startswith("step-") and name.endswith("tensors")]

    def newest_step(self, place=None):
        checkpoints = self.checkpoints(place)
        return int(os.path.basename(checkpoints[-1])[5:13]) if checkpoints else 0

    def attempts(self):
        """How many attempts have begun."""
        return len(self.events("attempt"))

    def events(self, kind):
        try:
            with open(os.path.join(self.directory, "launch.jsonl")) as file:
                events = [json.loads(line) for line in file if line.endswith("}\n")]
        except OSError:
            return []
        return [event for event in events if event["event"] == kind]

    def steps(self):
        """The size of the metrics and the last step in them."""
        path = os.path.join(self.directory, "metrics.jsonl")
        try:
            with open(path, "rb") as file:
                file.seek(max(0, os.path.getsize(path) - 8192))
                lines = file.read().split(b"\n")
        except OSError:
            return 0
        for line in reversed(lines[:-1]):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] == "step":
                return event["step"]
        return 0

    def resumed(self):
        """The step that the last attempt went on from."""
        with open(os.path.join(self.folder, "launch.log"), errors="replace") as file:
            return int(re.findall(r"^resuming after step (\d+) from ", file.read(), re.MULTILINE)[-1])

    def times(self):
        """Seconds of the last steps, and when rank 0's clock says that the newest checkpoint was written."""
        with open(os.path.join(self.directory, "metrics.jsonl"), "rb") as file:
            file.seek(max(0, os.path.getsize(file.name) - 65536))
            events = [json.loads(line) for line in file.read().split(b"\n")[1:-1]]
        with open(os.path.join(self.folder, "run.prom")) as file:
            words = [line.split() for line in file if line.startswith("fgn_dist_checkpoint_timestamp_seconds{")]
        return [event["seconds"] for event in events if event["event"] == "step"], float(words[0][-1])

    # What is done to it.

    def jump(self, offset):
        """Sets the clock of all processes, which must see that, and measure time as before; whether no attempt failed."""
        processes = self.ranks() + self.processes("mpirun") + self.processes("fgn-guard") + [self.supervisor.pid]
        if len(processes) < 4 or not all(self.clock.rules(process) for process in processes):
            raise Failure(f"some of the processes {processes} have a clock of their own")
        ends = len(self.events("end"))
        self.clock.set(offset)
        deadline = time.monotonic() + 20
        while abs(self.times()[1] - time.time() - offset) > 20:
            if time.monotonic() > deadline:
                raise Failure(f"rank 0 does not see a clock that is {offset} s fast")
            time.sleep(0.1)
        seconds = self.times()[0]
        if not all(0 <= second < 10 for second in seconds):
            raise Failure(f"steps took from {min(seconds)} to {max(seconds)} s")
        # Longer than ranks wait for each other.
        time.sleep(6)
        return all(end["cause"] == "regrouped" for end in self.events("end")[ends:])

    def kill(self, process, number):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass

    def pause(self, process, seconds):
        self.kill(process, signal.SIGSTOP)
        time.sleep(seconds)
        self.kill(process, signal.SIGCONT)

    def link(self, state):
        subprocess.run(["ip", "-n", self.second, "link", "set", "v0", state], check=True)

    def list_hosts(self, *hosts):
        # As an editor does it: the list is complete at any moment.
        with open(self.list + ".new", "w") as file:
            file.write("".join(f"{host} slots=1\n" for host in hosts))
        os.rename(self.list + ".new", self.list)

    # What is waited for.

    def until_training(self, attempts, limit=150):
        """Waits until an attempt after so many has taken steps; returns how long that took."""
        begin = time.monotonic()
        last = None
        while time.monotonic() - begin < limit:
            code = self.supervisor.poll()
            if code is not None:
                if code != -signal.SIGKILL:
                    raise Failure(f"the supervisor has ended with {code}")
                self.start()
            has_started = os.path.exists(os.path.join(self.directory, "launch.started"))
            if has_started and self.attempts() >= attempts and self.ranks():
                step = self.steps()
                if last is not None and step > last:
                    return time.monotonic() - begin
                last = step
            time.sleep(0.1)
        raise Failure(f"no training within {limit} s")


def disturb(run, minutes):
    """Faults until the time is over; returns counts, recovery times by kind and the most steps that were lost."""
    counts, times, lost = collections.Counter(), collections.defaultdict(list), 0
    end = time.monotonic() + 60 * minutes
    bag = []
    while time.monotonic() < end:
        if not bag:
            bag = list(FAULTS)
            run.random.shuffle(bag)
        name, function, restarts = bag.pop()
        time.sleep(run.random.uniform(0, 3))
        attempts = run.attempts()
        if not run.ranks() or not run.checkpoints():
            run.until_training(attempts)
        before, saved = run.steps(), run.newest_step()
        begin = time.monotonic()
        function(run)
        injected = time.monotonic()
        try:
            run.until_training(attempts + (1 if restarts else 0))
        except Failure as failure:
            raise Failure(f"after {name}: {failure}") from None
        again = time.monotonic()
        if run.expected is not None and run.resumed() != run.expected:
            raise Failure(f"after {name}: went on from step {run.resumed()}, not {run.expected}")
        run.expected = None
        resumed = [event["step"] or 0 for event in run.events("attempt")][attempts:]
        if resumed:
            lost = max(lost, before - min(resumed))
        counts[name] += 1
        times[name].append(again - (injected if restarts is None or restarts is False else begin))
        print(f"{sum(counts.values()):4d}  {name:45s} {times[name][-1]:5.1f} s  step {before} ({saved})", flush=True)
    return counts, times, lost


def finish(run):
    """Ends both runs at the same step; their models must be the same."""
    run.link("up")
    run.list_hosts(run.first, run.second)
    run.supervisor.send_signal(signal.SIGTERM)
    code = run.supervisor.wait(timeout=120)
    if code != 75:
        raise Failure(f"the supervisor ended with {code} at SIGTERM")
    last = run.newest_step() + 20
    print(f"step {last}", flush=True)
    models = []
    for directory, options in [(run.directory, ["--resume"]), (os.path.join(run.folder, "alone"), [])]:
        arguments = ["train", run.configuration, "--set", f"training.steps={last}", "--run-directory", directory]
        with open(directory + ".log", "ab") as log:
            subprocess.run([run.program, *arguments, *options], stdout=log, stderr=log, check=True)
        with open(os.path.join(directory, "model.safetensors"), "rb") as file:
            models.append(file.read())
    if models[0] != models[1]:
        raise Failure("the model is not that of the run that nothing disturbed")
    left = run.pids(run.first) + run.pids(run.second)
    if left:
        raise Failure(f"processes are left: {left}")


def main():
    program, folder, minutes, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
    run = Run(program, folder, seed)
    begin = time.monotonic()
    try:
        run.start()
        start = run.until_training(1)
        counts, times, lost = disturb(run, minutes)
        run.until_training(1)
        finish(run)
    except Failure as failure:
        print(f"Chaos with seed {seed}: {failure}", file=sys.stderr)
        return 1
    finally:
        if run.supervisor.poll() is None:
            run.supervisor.kill()
    seconds = [second for list in times.values() for second in list]
    for name in sorted(counts):
        print(f"{counts[name]:5d}  {name:45s} mean {sum(times[name]) / len(times[name]):5.1f} s")
    print(
        f"{sum(counts.values())} faults of {len(counts)} kinds in {(time.monotonic() - begin) / 60:.0f} min, seed {seed}: the "
        f"same model; training again after {sum(seconds) / len(seconds):.1f} s on average, {max(seconds):.1f} s at most (the "
        f"first start took {start:.1f} s); {run.starts} supervisors, {run.attempts()} attempts, at most {lost} steps again"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
