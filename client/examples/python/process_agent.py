#!/usr/bin/env python3
"""Runs a process as a workload of a failover cluster, through wsfcd.

Everything about the API is read from the daemon by server reflection: no protoc, no generated stubs.
"""

import argparse
import os
import queue
import signal
import sys
import threading
import time

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import process_group
from create_cluster import enumerator, open_channel
from process_group import Failed

# How long a process must run to count as online, in seconds.
READY_AFTER = 1

# How many seconds a daemon that has given a new lease may take to name its resources.
NAMING = 60

# The calls that end a process at once.
STOPS = ("TERMINATE", "CLOSE")

# The pauses between attempts to come back. The longest is well below a lease's 10 seconds.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2

# How many seconds the agent runs on without its daemon: as long as the resource DLL does, unless its resource says
# otherwise.
DAEMON_GRACE = 60

# What an agent outlasts: a daemon that is away or stops, or that is called too often, and a stream that the network has
# broken.
PASSING = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


def say(text):
    print(text, file=sys.stderr, flush=True)


class Cancelled(Exception):
    """A call has ended without its answer."""


class Call:
    """A call of the cluster, in a thread of its own."""

    def __init__(self, agent, message, before):
        self.message = message
        # The threads of earlier calls of the resource that are waited for: those that may still kill its process, and where
        # this call kills it, those that may still start one.
        self._before = before
        self.thread = threading.Thread(target=self.run, args=(agent.processes,), daemon=True)
        self.given = True
        self.last = None
        self.cancelled = threading.Event()
        self._agent = agent

    def report(self, percent, text):
        """Tells how far it is; percent may be None."""
        if self.cancelled.is_set():
            raise Cancelled
        self._agent.tell(self, "WORKLOAD_STATE_PENDING", percent=percent, message=text)

    def sleep(self, seconds):
        if self.cancelled.wait(seconds):
            raise Cancelled

    def run(self, processes):
        kind = enumerator(self.message, "kind", "WORKLOAD_CALL_KIND_")
        try:
            work = getattr(self, f"_{kind.lower()}", None)
            if work is None:
                raise Failed("the agent does not know this kind of call")
            if kind not in STOPS:
                self._wait_for_ends()
            state = work(processes, self.message.resource)
        except Cancelled:
            return
        except Failed as failure:
            self._agent.tell(self, "WORKLOAD_STATE_FAILED", message=str(failure))
            return
        if state is None:
            self._agent.forget(self)
        else:
            self._agent.tell(self, state)

    def _wait_for_ends(self):
        """What stops what ran before is not to stop what this call starts."""
        for thread in self._before:
            if thread.is_alive():
                self.report(None, "waiting for the end of what ran before")
            while thread.is_alive():
                self.sleep(0)
                thread.join(process_group.LOOKING)

    def _open(self, processes, resource):
        return "WORKLOAD_STATE_ONLINE" if processes.is_online(resource) else "WORKLOAD_STATE_OFFLINE"

    def _online(self, processes, resource):
        if processes.is_ending(resource):
            self._wait_for_process(processes, resource)
        if not processes.is_running(resource):
            process = processes.start(self.message)
            try:
                self.report(50, f"process {process.pid} was started")
                self.sleep(READY_AFTER)
            except Cancelled:
                processes.signal(resource, signal.SIGKILL)
                raise
        processes.count_on(resource)
        return "WORKLOAD_STATE_ONLINE"

    def _offline(self, processes, resource):
        processes.signal(resource, signal.SIGTERM)
        self._wait_for_process(processes, resource)
        return "WORKLOAD_STATE_OFFLINE"

    def _wait_for_process(self, processes, resource):
        """Waits for the end of a process that was told to end, and kills it when its time is over."""
        for left in range(process_group.STOP_GRACE, 0, -1):
            self.report(None, f"waiting for the end of the process, {left} s left")
            if processes.wait(resource, 1):
                return
        processes.signal(resource, signal.SIGKILL)
        processes.wait(resource)

    def _terminate(self, processes, resource):
        processes.signal(resource, signal.SIGKILL)
        for thread in self._before:
            thread.join()
        # A call that was cancelled in the middle may have started another one.
        processes.signal(resource, signal.SIGKILL)
        processes.wait(resource)
        return "WORKLOAD_STATE_OFFLINE"

    def _check_health(self, processes, resource):
        if not processes.is_running(resource):
            raise Failed("the process does not run")
        return "WORKLOAD_STATE_ONLINE"

    def _close(self, processes, resource):
        self._terminate(processes, resource)


class Agent:
    """Holds the workload, across lost connections and restarts of the daemon."""

    def __init__(self, channel, workload, command, stand_by, daemon_grace=None):
        self._channel = channel
        self._workload = workload
        self._stand_by = stand_by
        self._asked_grace = daemon_grace
        # How many seconds what runs may go on without the daemon.
        self._grace = DAEMON_GRACE if daemon_grace is None else daemon_grace
        # There while the daemon is away; what runs is ended when it is the same for so long.
        self._loss = None
        self._lock = threading.RLock()
        self._calls = {}
        # The calls whose threads may still run, also when they were cancelled.
        self._running = []
        self._lease = ""
        self._outbox = None
        self._attached_at = None
        self._stream = None
        # The resources that the daemon has named on this stream, in lower case.
        self._named = set()
        self._unwell = {}
        self._leaving = threading.Event()
        # True when the daemon has taken the workload away.
        self.dismissed = False
        self.processes = process_group.Processes(command, self._tell_health)
        self._request = self._response = None

    def _describe(self):
        """Reads the messages of the method from the daemon, once it is there."""
        if self._request is None:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))
            method = pool.FindServiceByName("wsfc.v1.WorkloadService").methods_by_name["Attach"]
            self._request, self._response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
            self._states = pool.FindEnumTypeByName("wsfc.v1.WorkloadState").values_by_name

    def tell(self, call, state, **fields):
        """Keeps the status of a call, and sends it as soon as the daemon knows the call."""
        status = {key: value for key, value in fields.items() if value is not None}
        status |= {"call_id": call.message.call_id, "state": self._states[state].number}
        with self._lock:
            if self._calls.get(call.message.call_id) is call:
                call.last = status
                if call.given and self._outbox is not None:
                    self._outbox.put(self._request(status=status))

    def forget(self, call):
        """A call without an answer is done."""
        with self._lock:
            self._calls.pop(call.message.call_id, None)

    def _tell_health(self, resource, message):
        health = {"resource": resource, "healthy": False, "message": message}
        with self._lock:
            self._unwell[resource] = health
            if self._attached_at is not None:
                self._outbox.put(self._request(health=health))

    def _attach(self):
        """Opens a stream that begins with the registration."""
        outbox = queue.SimpleQueue()
        registration = {
            "workload": self._workload,
            "agent": f"{os.uname().nodename}/{os.getpid()}",
            "lease_id": self._lease,
            "stand_by": self._stand_by,
        }
        outbox.put(self._request(registration=registration))
        method = self._channel.stream_stream(
            "/wsfc.v1.WorkloadService/Attach",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._response.FromString,
        )
        # None ends what the agent says, and with it the stream.
        stream = method(iter(outbox.get, None))
        with self._lock:
            self._outbox, self._stream = outbox, stream
            if self._leaving.is_set():
                outbox.put(None)
        return stream

    def serve(self):
        """Serves until it is asked to leave; an error that nothing mends is raised."""
        pause = SHORTEST_PAUSE
        while not self._leaving.is_set():
            error, began = None, time.monotonic()
            try:
                self._describe()
                for message in self._attach():
                    self._hear(message)
            except grpc.RpcError as broken:
                error = broken
            finally:
                self._lose_stream()
            if self._leaving.is_set():
                return
            if error is not None and error.code() not in PASSING:
                # The daemon was restarted, or the lease has run out.
                if error.code() != grpc.StatusCode.NOT_FOUND or not self._lease:
                    raise error
                say("the lease is lost; asking for a new one")
                self._lease = ""
                continue
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = SHORTEST_PAUSE
            say(f"connection lost; coming back in {pause:.1f} s")
            self._leaving.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _lose_stream(self):
        with self._lock:
            if self._attached_at is not None:
                self._loss = object()
                timer = threading.Timer(self._grace, self._lose_daemon, [self._loss])
                timer.daemon = True
                timer.start()
            if self._outbox is not None:
                # The thread that sends for the lost stream ends with this.
                self._outbox.put(None)
            self._outbox = self._stream = self._attached_at = None
            self._named = set()
            for call in self._calls.values():
                call.given = False

    def _lose_daemon(self, loss):
        """Ends everything: the daemon has been away for so long that all of it may run elsewhere by now."""
        with self._lock:
            if loss is not self._loss:
                return
            self._loss = None
            # What is being stopped is answered.
            self._cancel(lambda _, call: enumerator(call.message, "kind", "WORKLOAD_CALL_KIND_") not in STOPS)
        for resource in self.processes.resources():
            if self.processes.is_running(resource):
                say(f"no daemon for {self._grace:g} s; the process of {resource!r} is ended")
                # A daemon that comes back with the lease counts on it still, and hears of its end.
                self.processes.signal(resource, signal.SIGKILL, expected=False)

    def _hear(self, message):
        kind = message.WhichOneof("message")
        if kind == "attached":
            with self._lock:
                self._lease = message.attached.lease_id
                self._attached_at, self._loss = time.monotonic(), None
                if self._asked_grace is None and self._stand_by:
                    # Another agent has the workload when the lease is over.
                    self._grace = min(DAEMON_GRACE, message.attached.lease.ToTimedelta().total_seconds())
                for health in self._unwell.values():
                    self._outbox.put(self._request(health=health))
            say("attached again, with the same lease" if message.attached.resumed else "attached")
            self._expect_names(message.attached)
        elif kind == "call":
            self._begin(message.call)
        elif kind == "ended":
            say(f"a call was ended: {enumerator(message.ended, 'reason', 'WORKLOAD_CALL_END_')}")
            self._cancel(lambda call_id, _: call_id == message.ended.call_id)
        elif kind == "rejected":
            reason = enumerator(message.rejected, "reason", "WORKLOAD_REJECTION_")
            say(f"the daemon did not take a message: {reason} {message.rejected.message}")
            if reason in ("UNKNOWN_CALL", "CALL_ENDED"):
                self._cancel(lambda call_id, _: call_id == message.rejected.call_id)
        elif kind == "standing_by":
            say(f"standing by while agent {message.standing_by.agent!r} holds it")
            with self._lock:
                self._loss = None
                self._cancel(lambda *_: True)
            self.processes.kill_all()
        elif kind == "detached":
            say(f"detached: {message.detached.message}")
            if not message.detached.reattach:
                self.dismissed = True
                self._leaving.set()
            self._stream.cancel()

    def _expect_names(self, attached):
        """Ends what the daemon does not have: it was closed meanwhile, and may run on another node by now."""
        if not attached.HasField("open"):
            return
        with self._lock:
            self._named |= {resource.lower() for resource in attached.open.resources}
            stream = self._stream
        if attached.resumed:
            self._end_others(stream)
        else:
            # The daemon may have been restarted, and hears of its resources by and by.
            timer = threading.Timer(NAMING, self._end_others, [stream])
            timer.daemon = True
            timer.start()

    def _end_others(self, stream):
        with self._lock:
            if stream is not self._stream:
                return
            others = [resource for resource in self.processes.resources() if resource.lower() not in self._named]
            self._cancel(lambda _, call: call.message.resource in others)
        for resource in others:
            if self.processes.is_running(resource):
                say(f"the daemon has {resource!r} no more; its process is ended")
                self.processes.signal(resource, signal.SIGKILL)

    def _begin(self, message):
        with self._lock:
            self._named.add(message.resource.lower())
            known = self._calls.get(message.call_id)
            if known is not None:
                # It is under way or answered already: the daemon hears where it stands.
                known.given = True
                if known.last is not None:
                    self._outbox.put(self._request(status=known.last))
                return
            kind = enumerator(message, "kind", "WORKLOAD_CALL_KIND_")
            stops, checks = kind in STOPS, kind == "CHECK_HEALTH"
            # A daemon that asks anew how things stand has ended nothing.
            goes_on = message.resumed or kind == "OPEN"

            def is_over(_, call):
                # A new call shows that earlier answers were taken, and that what was not given again has ended.
                if call.message.resource != message.resource:
                    return False
                pending = self._states["WORKLOAD_STATE_PENDING"].number
                answered = call.last is not None and call.last["state"] != pending
                if stops:
                    # Work that is being stopped is not to be left half stopped, and its end is answered.
                    return kind != "CLOSE" or enumerator(call.message, "kind", "WORKLOAD_CALL_KIND_") != "TERMINATE"
                return not goes_on and (answered or not checks and not call.given)

            self._cancel(is_over)
            if not checks and kind != "OPEN":
                self._unwell.pop(message.resource, None)
            self._running = [call for call in self._running if call.thread.is_alive()]
            ours = [call for call in self._running if call.message.resource == message.resource]
            if not stops:
                ours = [call for call in ours if enumerator(call.message, "kind", "WORKLOAD_CALL_KIND_") in STOPS]
            call = Call(self, message, [call.thread for call in ours])
            self._calls[message.call_id] = call
            self._running.append(call)
            call.thread.start()

    def _cancel(self, is_over):
        with self._lock:
            for call_id in [call_id for call_id, call in self._calls.items() if is_over(call_id, call)]:
                self._calls.pop(call_id).cancelled.set()

    def leave(self):
        """Stops the processes, which is told, and closes the stream."""
        self.processes.stop_all()
        self._leaving.set()
        with self._lock:
            if self._outbox is not None:
                self._outbox.put(None)
            stream = self._stream
        if stream is not None:
            # A daemon that does not close its side holds nobody up.
            timer = threading.Timer(2, stream.cancel)
            timer.daemon = True
            timer.start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("endpoint", metavar="ENDPOINT", help="host:port of the daemon")
    parser.add_argument("workload", metavar="WORKLOAD", help="the name of the workload")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="the program and its arguments")
    parser.add_argument("--stand-by", action="store_true", help="wait while another agent holds the workload")
    parser.add_argument(
        "--daemon-grace",
        metavar="SECONDS",
        type=float,
        help="how long the process runs on after its daemon was lost (60, with --stand-by no longer than the lease)",
    )
    parser.add_argument("--ca", metavar="FILE", help="PEM file of the authority that signed the daemon's certificate")
    parser.add_argument("--cert", metavar="FILE", help="PEM file of the client's certificate")
    parser.add_argument("--key", metavar="FILE", help="PEM file of the client's key")
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("a COMMAND is needed")

    with open_channel(arguments) as channel:
        agent = Agent(channel, arguments.workload, arguments.command, arguments.stand_by, arguments.daemon_grace)
        # A signal handler must not wait, and the main thread is busy with the stream.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: threading.Thread(target=agent.leave, daemon=True).start())
        try:
            agent.serve()
            return 2 if agent.dismissed else 0
        except grpc.RpcError as error:
            say(f"{error.code().name}: {error.details()}")
            return 2
        finally:
            agent.processes.leave()
            agent.processes.kill_all()


if __name__ == "__main__":
    sys.exit(main())
