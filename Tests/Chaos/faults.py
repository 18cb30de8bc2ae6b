"""The faults of chaos.py: each is a function of the run under test, and says whether the ranks have to start again."""

import os
import shutil
import signal
import subprocess
import time

FAULTS = []


class Failure(Exception):
    """What must not be."""


def fault(restarts):
    """Registers a fault. `restarts`: whether the attempt cannot survive it; None where either may be."""

    def register(function):
        FAULTS.append((function.__name__, function, restarts))
        return function

    return register


@fault(True)
def kill_a_rank(run):
    run.kill(run.random.choice(run.ranks()), signal.SIGKILL)


@fault(True)
def kill_all_ranks(run):
    for process in run.ranks():
        run.kill(process, signal.SIGKILL)


@fault(True)
def kill_mpirun(run):
    run.kill(run.processes("mpirun")[0], signal.SIGKILL)


@fault(True)
def kill_the_supervisor(run):
    run.kill(run.supervisor.pid, signal.SIGKILL)


@fault(True)
def kill_the_guard(run):
    run.kill(run.processes("fgn-guard")[0], signal.SIGKILL)


@fault(True)
def kill_the_daemon_of_a_host(run):
    daemons = run.processes("orted")
    run.kill(daemons[0] if daemons else run.ranks()[0], signal.SIGKILL)


@fault(False)
def stop_a_rank_for_three_seconds(run):
    run.pause(run.random.choice(run.ranks()), 3)


@fault(True)
def stop_a_rank_for_ever(run):
    run.kill(run.random.choice(run.ranks()), signal.SIGSTOP)


@fault(True)
def stop_mpirun_for_ever(run):
    run.kill(run.processes("mpirun")[0], signal.SIGSTOP)


@fault(False)
def stop_the_supervisor_for_three_seconds(run):
    run.pause(run.supervisor.pid, 3)


@fault(True)
def tell_a_rank_to_stop(run):
    run.kill(run.random.choice(run.ranks()), signal.SIGTERM)


@fault(None)
def partition_of_three_seconds(run):
    run.pause(run.relay, 3)


@fault(None)
def partition_of_fifteen_seconds(run):
    run.pause(run.relay, 15)


@fault(None)
def pull_the_cable_for_three_seconds(run):
    run.link("down")
    time.sleep(3)
    run.link("up")


@fault(None)
def a_host_loses_power_and_returns(run):
    run.link("down")
    for process in run.pids(run.second):
        run.kill(process, signal.SIGKILL)
    time.sleep(run.random.uniform(1, 12))
    run.link("up")


@fault(None)
def a_host_is_taken_off_the_list_and_put_back(run):
    run.list_hosts(run.first)
    time.sleep(run.random.uniform(4, 8))
    run.list_hosts(run.first, run.second)


def flip(run, file, size):
    place = run.random.randrange(size)
    file.seek(place)
    byte = file.read(1)[0]
    file.seek(place)
    file.write(bytes([byte ^ 1 << run.random.randrange(8)]))


def truncate(run, file, size):
    file.truncate(run.random.randrange(size))


def harm_newest_checkpoint(run, change, copies):
    """Harms so many copies of it, and ends the attempt, so that the next one must read it. The one before is intact."""
    for process in run.ranks():
        run.kill(process, signal.SIGKILL)
    name = os.path.basename(run.checkpoints()[-1])
    paths = [os.path.join(place, "checkpoints", name) for place in (run.directory, run.copies)]
    # The end may have come before the copy.
    paths = [path for path in paths if os.path.exists(path)]
    if len(paths) > copies:
        run.expected = run.newest_step()
        paths = run.random.sample(paths, copies)
    for path in paths:
        with open(path, "r+b") as file:
            change(run, file, os.path.getsize(path))


@fault(True)
def flip_a_bit_of_the_newest_checkpoint(run):
    harm_newest_checkpoint(run, flip, copies=2)


@fault(True)
def flip_a_bit_of_a_copy_of_the_newest_checkpoint(run):
    harm_newest_checkpoint(run, flip, copies=1)


@fault(True)
def truncate_the_newest_checkpoint(run):
    harm_newest_checkpoint(run, truncate, copies=2)


@fault(True)
def lose_the_checkpoints_of_the_run_directory(run):
    for process in run.ranks():
        run.kill(process, signal.SIGKILL)
    shutil.rmtree(os.path.join(run.directory, "checkpoints"))
    run.expected = run.newest_step(run.copies)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        block = bytes(1 << 16)
        try:
            while True:
                file.write(block)
        except OSError:
            pass


@fault(False)
def fill_the_mirror(run):
    path = os.path.join(run.mirror, "fill")
    fill(path)
    time.sleep(3)
    os.unlink(path)
    step, deadline = run.newest_step(run.copies), time.monotonic() + 20
    while run.newest_step(run.copies) <= step:
        if time.monotonic() > deadline:
            raise Failure("the mirror has no new checkpoint")
        time.sleep(0.1)


@fault(True)
def fill_the_disk(run):
    path = os.path.join(run.disk, "fill")
    fill(path)
    attempts = run.attempts()
    deadline = time.monotonic() + 20
    while run.attempts() == attempts and time.monotonic() < deadline:
        time.sleep(0.1)
    os.unlink(path)


def inject(run, what, seconds):
    """Changes what the system says to rank 0, for some seconds."""
    rank = run.ranks(run.first)[:1] or run.ranks()[:1]
    subprocess.run(
        ["timeout", "--signal=INT", "--kill-after=5", str(seconds), "strace", "-f", "-qq", "-o", "/dev/null"]
        + ["-e", "trace=fsync", "-e", f"inject=fsync:{what}", "-p", str(rank[0])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


@fault(None)
def errors_of_the_disk(run):
    inject(run, "error=EIO", 3)


@fault(False)
def a_slow_disk(run):
    inject(run, "delay_enter=700000", 4)


@fault(False)
def the_clock_jumps(run):
    hour, day = 3600, 86400
    # The fault before may still be at work.
    for _ in range(3):
        if run.jump(run.random.choice([offset for offset in (-day, -hour, 0, hour, day) if offset != run.clock.offset])):
            return
        run.until_training(run.attempts())
    raise Failure("a jump of the clock has ended three attempts")
