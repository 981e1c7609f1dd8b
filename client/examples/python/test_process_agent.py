"""What the agent does without a daemon: python -m unittest, in this folder."""

import queue
import signal
import threading
import time
import unittest
from types import SimpleNamespace
from unittest import mock

import process_agent

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
        self.assertEqual(process.wait(PATIENCE), -signal.SIGTERM)
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
        self.assertEqual(process.wait(PATIENCE), -signal.SIGKILL)
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
