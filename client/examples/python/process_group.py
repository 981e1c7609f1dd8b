"""The processes of an agent, each in a group of its own. Knows nothing of the API."""

import os
import signal
import subprocess
import threading
import time

# How long a process may take to end before it is killed, in seconds.
STOP_GRACE = 10

# How often what a process has left behind is looked for, in seconds.
LOOKING = 0.05


class Failed(Exception):
    """A call did not work."""


class Process:
    """A process in a group of its own, so that what it starts is stopped with it. It runs as long as any of them."""

    def __init__(self, command, environment):
        self._leader = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        self._stopping = False
        self._over = threading.Event()
        self.pid = self._leader.pid
        # True once it was told to end.
        self.is_ending = False
        # How it ended, once it has.
        self.end = None

    def watch(self):
        """Waits for the end of the process, and sees to that of what it has left behind."""
        end = self._leader.wait()
        # What it has started may take its time when it was asked to end; otherwise it ends with the process.
        until = time.monotonic() + STOP_GRACE
        while self._stopping and self._group(0) and time.monotonic() < until:
            time.sleep(LOOKING)
        self._group(signal.SIGKILL)
        self.end = end

    def is_over(self):
        """From now on everybody knows that it has ended."""
        self._over.set()

    def runs(self):
        return not self._over.is_set()

    def wait(self, seconds=None):
        """Waits for the end; true when it has come."""
        return self._over.wait(seconds)

    def signal(self, number):
        if self.runs():
            self.is_ending, self._stopping = True, number == signal.SIGTERM
            self._group(number)

    def _group(self, number):
        """Sends a signal to the group; false when nothing of it is left."""
        try:
            os.killpg(self.pid, number)
            return True
        except ProcessLookupError:
            return False
        except PermissionError:
            # There is something that has other rights by now.
            return True


class Processes:
    """The processes of the workload's resources."""

    def __init__(self, command, tell_health):
        self._command = command
        self._tell_health = tell_health
        self._lock = threading.Lock()
        self._processes = {}
        # The resources whose process the cluster counts on.
        self._online = set()
        # True once processes are stopped for good.
        self._leaving = False

    def _find(self, resource):
        with self._lock:
            return self._processes.get(resource)

    def is_running(self, resource):
        process = self._find(resource)
        return process is not None and process.runs()

    def is_ending(self, resource):
        process = self._find(resource)
        return process is not None and process.runs() and (process.is_ending or process.end is not None)

    def is_online(self, resource):
        with self._lock:
            return resource in self._online

    def start(self, call):
        """Starts the process."""
        environment = os.environ | {"WSFC_WORKLOAD": call.workload, "WSFC_RESOURCE": call.resource}
        environment |= {f"WSFC_PARAMETER_{key}": value for key, value in call.parameters.items()}
        # Whoever stops all processes waits for this one, so that none is missed.
        with self._lock:
            if self._leaving:
                raise Failed("the agent is leaving")
            try:
                process = Process(self._command, environment)
            except OSError as error:
                raise Failed(f"cannot start {self._command[0]}: {error}") from None
            self._processes[call.resource] = process
        threading.Thread(target=self._watch, args=(call.resource, process), daemon=True).start()
        return process

    def _watch(self, resource, process):
        process.watch()
        with self._lock:
            unexpected = resource in self._online and self._processes.get(resource) is process
            self._online.discard(resource)
        if unexpected:
            self._tell_health(resource, f"the process ended with {process.end}")
        process.is_over()

    def count_on(self, resource):
        """From now on an end of the process is a failure."""
        with self._lock:
            end = self._processes[resource].end
            if end is None:
                self._online.add(resource)
        if end is not None:
            raise Failed(f"the process ended with {end}")

    def signal(self, resource, number, expected=True):
        with self._lock:
            process = self._processes.get(resource)
            if expected:
                self._online.discard(resource)
        if process is not None:
            process.signal(number)

    def wait(self, resource, seconds=None):
        """Waits for the end of the process; true when it has come."""
        process = self._find(resource)
        return process is None or process.wait(seconds)

    def resources(self):
        with self._lock:
            return list(self._processes)

    def leave(self):
        """From now on nothing is started."""
        with self._lock:
            self._leaving = True

    def stop_all(self):
        """Stops everything before the agent leaves. The cluster counts on it still, so each end is told to it."""
        self.leave()
        for resource in self.resources():
            self.signal(resource, signal.SIGTERM, expected=False)
        until = time.monotonic() + STOP_GRACE
        for resource in self.resources():
            if not self.wait(resource, max(0, until - time.monotonic())):
                self.signal(resource, signal.SIGKILL, expected=False)
        for resource in self.resources():
            self.wait(resource, STOP_GRACE)

    def kill_all(self):
        for resource in self.resources():
            self.signal(resource, signal.SIGKILL)
