#!/usr/bin/env python3
"""Creates a failover cluster through wsfcd and prints each phase.

Everything about the API is read from the daemon by server reflection: no protoc, no generated stubs.
"""

import argparse
import sys
import time
import uuid

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# How long to go on reconnecting while no record arrives, in seconds.
GIVE_UP_AFTER = 60


class Service:
    """A gRPC service as its descriptor describes it."""

    def __init__(self, channel, pool, name):
        self._channel = channel
        self._descriptor = pool.FindServiceByName(name)

    def request(self, method, **fields):
        """Makes the request message of a method."""
        return GetMessageClass(self._descriptor.methods_by_name[method].input_type)(**fields)

    def stream(self, method, request):
        """Calls a method that answers with a stream."""
        response = GetMessageClass(self._descriptor.methods_by_name[method].output_type)
        call = self._channel.unary_stream(
            f"/{self._descriptor.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return call(request)


def enumerator(message, field, prefix):
    """Names an enumerator; the enumerations are open, so an unknown number stays a number."""
    number = getattr(message, field)
    value = message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number.get(number)
    return value.name.removeprefix(prefix) if value else str(number)


def line(record):
    """Says a record in one line."""
    kind = record.WhichOneof("payload")
    payload = getattr(record, kind) if kind else None
    if kind == "setup_progress":
        words = [
            f"{payload.percent:3}%",
            enumerator(payload, "phase", "SETUP_PHASE_"),
            enumerator(payload, "phase_type", "SETUP_PHASE_TYPE_"),
            enumerator(payload, "severity", "SETUP_SEVERITY_"),
        ]
        if payload.HasField("object_name"):
            words.append(payload.object_name)
        if payload.status.raw:
            words.append(f"{payload.status.raw:#x} {payload.status.name}")
    elif kind == "started":
        words = ["started", payload.function]
    elif kind == "pending":
        words = ["pending", enumerator(payload, "reason", "PENDING_REASON_")]
    elif kind == "outcome":
        words = [enumerator(payload, "state", "OPERATION_STATE_"), payload.message]
    else:
        words = [kind or "a record of a kind that this program does not know"]
    return f"{record.sequence:4}  " + "  ".join(words)


def follow(clusters, operations, request):
    """Starts the operation and yields its records to the last one, over as many connections as it takes."""
    stream = clusters.stream("CreateCluster", request)
    mark, sequence, delay, last_heard = None, 0, 0.1, time.monotonic()
    while True:
        try:
            for message in stream:
                last_heard, delay = time.monotonic(), 0.1
                if message.HasField("mark"):
                    mark = message.mark
                for record in message.records:
                    sequence = record.sequence
                    yield record
            return
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() - last_heard > GIVE_UP_AFTER:
                raise
            print(f"connection lost after record {sequence}; resuming", file=sys.stderr)
        time.sleep(delay)
        delay = min(delay * 2, 5)
        if mark is None:
            # Nothing was heard: the request id makes it safe to ask again.
            stream = clusters.stream("CreateCluster", request)
        else:
            watch = operations.request(
                "WatchOperation", operation_id=mark.operation_id, after_sequence=sequence, store_id=mark.store_id
            )
            stream = operations.stream("WatchOperation", watch)


def address(text):
    """Reads ADDRESS/PREFIX; what is wrong with it the daemon says better."""
    ip, _, prefix = text.partition("/")
    try:
        return {"address": ip, "prefix_length": int(prefix)}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form ADDRESS/PREFIX") from None


def contents(path):
    """Reads a file, when there is one to read."""
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def open_channel(arguments):
    """Opens the channel, with TLS when a certificate authority is given."""
    if arguments.ca is None:
        return grpc.insecure_channel(arguments.endpoint)
    credentials = grpc.ssl_channel_credentials(
        contents(arguments.ca), contents(arguments.key), contents(arguments.cert)
    )
    return grpc.secure_channel(arguments.endpoint, credentials)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("endpoint", metavar="ENDPOINT", help="host:port of the daemon")
    parser.add_argument("cluster", metavar="CLUSTER", help="the name of the new cluster")
    parser.add_argument("nodes", metavar="NODE", nargs="+", help="the hosts that form it")
    parser.add_argument("--ip", metavar="ADDRESS/PREFIX", type=address, action="append", default=[])
    parser.add_argument("--ca", metavar="FILE", help="PEM file of the authority that signed the daemon's certificate")
    parser.add_argument("--cert", metavar="FILE", help="PEM file of the client's certificate")
    parser.add_argument("--key", metavar="FILE", help="PEM file of the client's key")
    arguments = parser.parse_args()

    with open_channel(arguments) as channel:
        try:
            pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            clusters = Service(channel, pool, "wsfc.v1.ClusterService")
            operations = Service(channel, pool, "wsfc.v1.OperationService")
            request = clusters.request(
                "CreateCluster",
                cluster={"cluster": arguments.cluster, "nodes": arguments.nodes, "ip_addresses": arguments.ip},
                options={"request_id": str(uuid.uuid4())},
            )
            succeeded = False
            for record in follow(clusters, operations, request):
                print(line(record), flush=True)
                if record.WhichOneof("payload") == "outcome":
                    succeeded = enumerator(record.outcome, "state", "OPERATION_STATE_") == "SUCCEEDED"
            return 0 if succeeded else 1
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main())
