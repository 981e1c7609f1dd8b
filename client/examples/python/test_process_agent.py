"""What the agent does without a daemon: python -m unittest, in this folder."""

import datetime
import os
import queue
import select
import signal
import tempfile
import threading
import time
import unittest
from types import SimpleNamespace
from unittest import mock

import grpc
import process_agent
import process_group

PATIENCE = 60
STATES = ("PENDING", "ONLINE", "OFFLINE", "FAILED")


class Message(SimpleNamespace):
    """A message with the fields that it was made with."""


def call(kind, resource="R", resumed=False):
    call_id = f"{kind} of {resource}"
    return Message(call_id=call_id, kind=kind, resource=resource, workload="W", parameters={}, resumed=resumed)


class AgentTest(unittest.TestCase):
    def setUp(self):
        names = mock.patch.object(process_agent, "enumerator", lambda message, field, _prefix: getattr(message, field))
        names.start()
        self.addCleanup(names.stop)
        hurried = mock.patch.object(process_agent, "READY_AFTER", 0)
        hurried.start()
        self.addCleanup(hurried.stop)
        self.agent = process_agent.Agent(None, "W", ["sleep", "3600"], False)
        self.addCleanup(self.agent.processes.kill_all)
        self.agent._request = Message
        self.agent._states = {f"WORKLOAD_STATE_{name}": SimpleNamespace(number=name) for name in STATES}
        self.agent._outbox = queue.SimpleQueue()

    def answer(self, kind):
        """The final status of a call."""
        while True:
            status = self.agent._outbox.get(timeout=PATIENCE).status
            if status["call_id"] == f"{kind} of R" and status["state"] != "PENDING":
                return status

    def test_an_agent_that_leaves_starts_nothing(self):
        self.agent._begin(call("ONLINE"))
        self.assertEqual(self.answer("ONLINE")["state"], "ONLINE")
        process = self.agent.processes._find("R")
        self.agent.processes.stop_all()
        self.assertTrue(process.wait(PATIENCE))
        self.assertEqual(process.end, -signal.SIGTERM)
        # The cluster restarts what has failed before it knows that the agent leaves.
        again = call("ONLINE")
        again.call_id = "ONLINE again of R"
        self.agent._begin(again)
        answer = self.answer("ONLINE again")
        self.assertEqual((answer["state"], answer["message"]), ("FAILED", "the agent is leaving"))
        self.assertFalse(self.agent.processes.is_running("R"))

    def test_what_was_closed_while_the_agent_was_away_is_ended(self):
        for resource in ("R", "Other"):
            self.agent._begin(call("ONLINE", resource))
        running = self.agent.processes.is_running
        self.assertTrue(self.wait_until(lambda: running("R") and running("Other")))
        process = self.agent.processes._find("Other")
        self.agent._lose_stream()
        attached = Message(resumed=True, open=Message(resources=["r"]), HasField=lambda _: True)
        self.agent._expect_names(attached)
        self.assertTrue(process.wait(PATIENCE))
        self.assertEqual(process.end, -signal.SIGKILL)
        self.assertTrue(running("R"))
        # A daemon of an earlier release does not say what is open.
        attached = Message(resumed=True, HasField=lambda _: False)
        self.agent._expect_names(attached)
        self.assertTrue(running("R"))

    def wait_until(self, holds):
        until = time.monotonic() + PATIENCE
        while not holds() and time.monotonic() < until:
            time.sleep(0.01)
        return holds()

    def test_a_termination_is_answered_though_the_resource_is_closed_after_it(self):
        going, ended = threading.Event(), threading.Event()
        wait = self.agent.processes.wait

        def wait_long(resource, seconds=None):
            going.set()
            self.assertTrue(ended.wait(PATIENCE))
            return wait(resource, seconds)

        with mock.patch.object(self.agent.processes, "wait", wait_long):
            self.agent._begin(call("TERMINATE"))
            self.assertTrue(going.wait(PATIENCE))
            self.agent._begin(call("CLOSE"))
            ended.set()
            self.assertEqual(self.answer("TERMINATE")["state"], "OFFLINE")
            for running in self.agent._running:
                running.thread.join(PATIENCE)
        # It is over, and nothing is kept of it.
        self.assertNotIn("CLOSE of R", self.agent._calls)

    def test_what_begins_waits_for_the_end_of_what_ran_before(self):
        self.agent._begin(call("ONLINE"))
        self.assertEqual(self.answer("ONLINE")["state"], "ONLINE")
        first = self.agent.processes._find("R")
        going, ended = threading.Event(), threading.Event()
        terminate = process_agent.Call._terminate

        def terminate_late(*arguments):
            going.set()
            self.assertTrue(ended.wait(PATIENCE))
            return terminate(*arguments)

        with mock.patch.object(process_agent.Call, "_terminate", terminate_late):
            self.agent._begin(call("CLOSE"))
            self.assertTrue(going.wait(PATIENCE))
            again = call("ONLINE")
            again.call_id = "ONLINE again of R"
            self.agent._begin(again)
            waits = self.agent._outbox.get(timeout=PATIENCE).status
            self.assertEqual((waits["call_id"], waits["state"]), (again.call_id, "PENDING"))
            self.assertIs(self.agent.processes._find("R"), first)
            ended.set()
            self.assertEqual(self.answer("ONLINE again")["state"], "ONLINE")
        self.assertFalse(first.runs())
        self.assertTrue(self.agent.processes.is_running("R"))

    def holding(self, script):
        """Brings a process online whose child holds the file that is given back; that ends when nobody does."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        held = os.path.join(folder.name, "held")
        os.mkfifo(held)
        self.agent.processes._command = ["sh", "-c", script, held]
        self.agent._begin(call("ONLINE"))
        reader = open(held, encoding="utf-8")
        self.addCleanup(reader.close)
        self.assertEqual(reader.readline(), "held\n")
        self.assertEqual(self.answer("ONLINE")["state"], "ONLINE")
        return reader

    def released(self, reader):
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        return bool(ready) and reader.read() == ""

    def test_what_does_not_hear_is_killed_with_its_process(self):
        reader = self.holding('exec >"$0"; (trap "" TERM; echo held; exec sleep 100) & sleep 100')
        with mock.patch.object(process_group, "STOP_GRACE", 1):
            self.agent._begin(call("OFFLINE"))
            self.assertEqual(self.answer("OFFLINE")["state"], "OFFLINE")
            self.assertTrue(self.released(reader))

    def test_what_a_process_has_left_behind_ends_with_it(self):
        reader = self.holding('exec >"$0"; echo held; sleep 100 & wait')
        process = self.agent.processes._find("R")
        os.kill(process.pid, signal.SIGKILL)
        self.assertTrue(self.released(reader))
        self.assertTrue(process.wait(PATIENCE))
        self.assertIn("R", self.agent._unwell)

    def test_an_agent_without_its_daemon_ends_what_runs(self):
        self.agent._grace = 0.1
        self.agent._begin(call("ONLINE"))
        self.assertEqual(self.answer("ONLINE")["state"], "ONLINE")
        process = self.agent.processes._find("R")
        self.agent._attached_at = time.monotonic()
        self.agent._lose_stream()
        # Further attempts that fail do not make it longer.
        self.agent._lose_stream()
        self.assertTrue(process.wait(PATIENCE))
        self.assertEqual(process.end, -signal.SIGKILL)
        self.assertIn("R", self.agent._unwell)

    def test_a_daemon_that_is_back_in_time_costs_nothing(self):
        self.agent._begin(call("ONLINE"))
        self.assertEqual(self.answer("ONLINE")["state"], "ONLINE")
        self.agent._attached_at = time.monotonic()
        self.agent._lose_stream()
        loss = self.agent._loss
        self.agent._outbox, self.agent._stand_by = queue.SimpleQueue(), True
        lease = SimpleNamespace(ToTimedelta=lambda: datetime.timedelta(seconds=10))
        attached = Message(lease_id="L", lease=lease, resumed=True, HasField=lambda _: False)
        self.agent._hear(Message(attached=attached, WhichOneof=lambda _: "attached"))
        self.agent._lose_daemon(loss)
        self.assertTrue(self.agent.processes.is_running("R"))
        self.assertEqual(self.agent._grace, 10)

    def test_a_daemon_that_is_called_too_often_is_waited_for(self):
        attempts = []

        class TooOften(grpc.RpcError):
            def code(self):
                return grpc.StatusCode.RESOURCE_EXHAUSTED

        def attach():
            attempts.append(None)
            if len(attempts) > 1:
                self.agent._leaving.set()
            raise TooOften

        with mock.patch.object(self.agent, "_attach", attach):
            self.agent.serve()
        self.assertEqual(len(attempts), 2)

    def test_a_call_that_a_termination_ends_leaves_no_process(self):
        with mock.patch.object(process_agent, "READY_AFTER", PATIENCE):
            self.agent._begin(call("ONLINE"))
            started = self.agent._outbox.get(timeout=PATIENCE).status
            self.assertEqual(started["state"], "PENDING")
            self.agent._begin(call("TERMINATE"))
            self.assertEqual(self.answer("TERMINATE")["state"], "OFFLINE")
        self.assertFalse(self.agent.processes.is_running("R"))


if __name__ == "__main__":
    unittest.main()
