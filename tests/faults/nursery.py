"""A process that has imported everything, and forks a child for each run of a command.

Started by `conftest.py`; reads one run a line as JSON and answers with one line. A child is what
`occgen` or `from-train` is from the moment its imports are done: the same entry point, in a
process group of its own, so that one signal ends it with every worker it has.

A run is ended, or made to fail, at one of these moments: after a time by the clock; after a time
of its processor, which a busy machine does not stretch; just before its n-th act on files (a file
opened for writing, synced, renamed or removed, a folder made or removed), which repeats exactly.
"""

import contextlib
import errno
import importlib
import json
import os
import signal
import sys
import time

_ACTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "fsync")
_NEED_ROOM = ("open", "os.rename", "os.mkdir", "fsync")


class _Watch:
    """Counts a child's acts on files and does something at one of them."""

    def __init__(self, order):
        self.count = 0
        self.kill_at = order.get("kill_at_act")
        self.fail_at = order.get("fail_at_act")
        self.error = getattr(errno, order.get("error", "ENOSPC"))
        sys.addaudithook(self._heard)
        real = os.fsync

        def fsync(handle):
            self._heard("fsync", ())
            real(handle)

        os.fsync = fsync

    def _heard(self, event, arguments):
        if event == "open":
            if not arguments[2] & (os.O_WRONLY | os.O_RDWR) or arguments[0] == os.devnull:
                return
        elif event not in _ACTS:
            return
        self.count += 1
        if self.count == self.kill_at:
            os.kill(0, signal.SIGKILL)
        if self.fail_at is not None and self.count >= self.fail_at and event in _NEED_ROOM:
            raise OSError(self.error, os.strerror(self.error))


def _child(order, answer):
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    module, _, name = order["program"].partition(":")
    main = getattr(importlib.import_module(module), name)
    known, watch, status = set(sys.modules), _Watch(order), 0
    try:
        main(order["args"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        told = {"acts": watch.count, "modules": sorted(set(sys.modules) - known)}
        os.write(answer, json.dumps(told).encode())
    os._exit(status)


def _end(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _workers(pid):
    """Return the worker processes of a run: its children, but not joblib's tracker."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    workers = []
    for child in found:
        with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline", "rb") as file:
            if b"--process-name" in file.read():
                workers.append(child)
    return workers


def _run(order):
    reading, writing = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            _child(order, writing)
        finally:
            os._exit(70)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # whichever comes first; a kill at once must find the group
    os.close(writing)
    ends = began + order.get("kill_after_s", order.get("at_most_s", 600))
    ends_cpu_s = order.get("kill_after_cpu_s", 1e9)
    lose_after_s, first_seen, lost = order.get("lose_worker_after_s"), None, False
    clock = (~pid << 3) | 2  # Linux: of the processor time of a process
    while True:
        found, status, used = os.wait4(pid, os.WNOHANG)
        if found:
            break
        if lose_after_s is not None and not lost:
            workers = _workers(pid)
            first_seen = first_seen or (time.monotonic() if workers else None)
            if workers and time.monotonic() - first_seen >= lose_after_s:
                os.kill(workers[0], signal.SIGKILL)
                lost = True
        left = min(ends - time.monotonic(), ends_cpu_s - time.clock_gettime(clock))
        if left <= 0:
            _end(pid)
            _, status, used = os.wait4(pid, 0)
            break
        time.sleep(min(left, 0.002))
    seconds = time.monotonic() - began
    _end(pid)  # workers that outlive it
    cpu_s = used.ru_utime + used.ru_stime
    told = {"acts": None, "modules": []}
    with open(reading, "rb") as stream, contextlib.suppress(ValueError):
        told = json.loads(stream.read())
    for name in told.pop("modules"):  # the next child has them from its start
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_s": cpu_s,
        "lost": lost,
        **told,
    }


def main():
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
