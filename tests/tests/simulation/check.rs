//! The promises, held against what the clients saw and what is on the disk.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use prost::Message as _;
use wsfc_client::v1;
use wsfc_client::v1::operation_record::Payload;
use wsfc_proto::reasons;
use wsfc_simulator::Simulation;
use wsfcd::operation::fold::{Rules, fold, is_final};

use crate::history::{ClientNumber, Event, Seen, StreamNumber};
use crate::log::{Log, Logged};
use crate::plan::{Call, Plan, Role};

/// What a run left behind.
pub struct Evidence<'a> {
    /// What should happen.
    pub plan: &'a Plan,
    /// What the clients saw.
    pub events: &'a [Event],
    /// What is on the disk.
    pub log: &'a Log,
    /// The cluster world, which counts its calls.
    pub simulation: &'a Simulation,
}

/// A stream, as its opening told.
struct Stream<'a> {
    client: ClientNumber,
    operation_id: &'a str,
    /// The last record that is known to have been delivered.
    sequence: u64,
    ended: bool,
}

/// Every broken promise, each in a sentence that begins with its number.
pub fn broken_promises(evidence: &Evidence<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for logged in &evidence.log.operations {
        operation_is_whole(logged, &mut broken);
    }
    revisions_are_unique(evidence.log, &mut broken);
    streams_keep_their_promises(evidence, &mut broken);
    clients_agree_with_the_disk(evidence, &mut broken);
    starts_are_kept(evidence, &mut broken);
    request_ids_start_once(evidence, &mut broken);
    calls_are_made_once(evidence, &mut broken);
    clusters_have_one_change_at_a_time(evidence.log, &mut broken);
    lists_join_streams(evidence, &mut broken);
    answers_are_final(evidence, &mut broken);
    broken
}

/// P3, P12: records 1, 2, 3 without gap; one outcome, and last; the operation is the fold of its records.
fn operation_is_whole(logged: &Logged, broken: &mut Vec<String>) {
    let Logged { operation, records } = logged;
    let id = &operation.operation_id;
    let compacted = operation.oldest_sequence > 1;
    let mut folded = v1::Operation::default();
    for (record, sequence) in records.iter().zip(operation.oldest_sequence..) {
        if record.sequence != sequence {
            broken.push(format!(
                "P3: the log of {id} has record {} where {sequence} is due",
                record.sequence
            ));
            return;
        }
        if compacted {
            continue;
        }
        if let Err(illegal) = fold(&mut folded, record, Rules::default()) {
            broken.push(format!(
                "P12: the log of {id} is illegal at record {sequence}: {illegal}"
            ));
            return;
        }
    }
    if !is_final(operation.state()) {
        broken.push(format!(
            "liveness: operation {id} is {} at the end",
            operation.state().as_str_name()
        ));
    }
    if !compacted {
        folded.oldest_sequence = operation.oldest_sequence;
        if folded != *operation {
            broken.push(format!(
                "P12: operation {id} is not the fold of its records: {operation:?}, but {folded:?}"
            ));
        }
    }
}

/// P3: one revision, one record.
fn revisions_are_unique(log: &Log, broken: &mut Vec<String>) {
    let mut revisions = BTreeSet::new();
    for record in log.operations.iter().flat_map(|logged| &logged.records) {
        if !revisions.insert(record.revision) {
            broken.push(format!("P3: revision {} belongs to two records", record.revision));
        }
    }
}

/// P3, P5, P6: each stream yields the records after its position in order, without gap or repetition; its marks are
/// true; it ends after the outcome, or for a reason that the contract knows.
fn streams_keep_their_promises(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    let mut streams: HashMap<StreamNumber, Stream<'_>> = HashMap::new();
    for Event { at, client, seen } in evidence.events {
        match seen {
            Seen::Opened {
                stream,
                operation_id,
                after,
            } => {
                let opened = Stream {
                    client: *client,
                    operation_id,
                    sequence: *after,
                    ended: false,
                };
                streams.insert(*stream, opened);
            }
            Seen::Record {
                stream: number,
                operation_id,
                sequence,
                bytes,
            } => {
                let Some(stream) = streams.get_mut(number) else {
                    continue;
                };
                let named = format!("stream {number} of client {client} at {at:?}");
                if stream.operation_id != operation_id {
                    broken.push(format!(
                        "P3: {named} got a record of {operation_id} for {}",
                        stream.operation_id
                    ));
                }
                if *sequence != stream.sequence + 1 {
                    broken.push(format!("P3: {named} got record {sequence} after {}", stream.sequence));
                }
                if stream.ended {
                    broken.push(format!("P12: {named} got record {sequence} after the outcome"));
                }
                stream.sequence = *sequence;
                let record = v1::OperationRecord::decode(bytes.as_slice());
                stream.ended = record.is_ok_and(|record| matches!(record.payload, Some(Payload::Outcome(_))));
            }
            Seen::Mark {
                stream: number,
                store_id,
                sequence,
                revision,
            } => {
                let Some(stream) = streams.get(number) else { continue };
                let named = format!("stream {number} of client {client} at {at:?}");
                if *sequence != stream.sequence {
                    broken.push(format!(
                        "P6: {named} stands at {}, and its mark says {sequence}",
                        stream.sequence
                    ));
                }
                if *store_id != evidence.log.store_id {
                    broken.push(format!("P6: {named} has a mark of store {store_id}"));
                }
                let left_out = evidence.log.find(stream.operation_id).and_then(|logged| {
                    logged
                        .records
                        .iter()
                        .find(|record| record.sequence > *sequence && record.revision <= *revision)
                });
                if let Some(record) = left_out {
                    broken.push(format!(
                        "P6: {named} has a mark for revision {revision}, and record {} of revision {} had not come",
                        record.sequence, record.revision
                    ));
                }
            }
            Seen::Ended {
                stream: number,
                error: Some((reason, text)),
            } => {
                let Some(stream) = streams.get(number) else { continue };
                let honest = match reason.as_str() {
                    reasons::COMPACTED => evidence.plan.keep_operations < 100,
                    reasons::SEQUENCE_IN_FUTURE => evidence.plan.clients[stream.client] == Role::Wanderer,
                    _ => false,
                };
                if !honest {
                    broken.push(format!(
                        "P5: stream {number} of client {client} ended at {at:?} with {text}"
                    ));
                }
            }
            _ => {}
        }
    }
}

/// P2, P4: what anybody saw under a number is one record, and it is on the disk.
fn clients_agree_with_the_disk(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    let mut agreed: BTreeMap<(&str, u64), &[u8]> = BTreeMap::new();
    for Event { at, client, seen } in evidence.events {
        let Seen::Record {
            operation_id,
            sequence,
            bytes,
            ..
        } = seen
        else {
            continue;
        };
        let named = format!("record {sequence} of {operation_id}, which client {client} saw at {at:?},");
        let first = agreed.entry((operation_id, *sequence)).or_insert(bytes);
        if first != bytes {
            broken.push(format!("P4: {named} is not what another saw"));
        }
        let kept = evidence.log.find(operation_id);
        match kept.and_then(|logged| logged.record(*sequence)) {
            Some(record) if record.encode_to_vec() == *bytes => {}
            Some(record) => broken.push(format!(
                "P2: {named} is another one on the disk: {record:?}, and was {:?}",
                v1::OperationRecord::decode(bytes.as_slice())
            )),
            None if kept.is_some_and(|logged| *sequence < logged.operation.oldest_sequence) => {}
            None => broken.push(format!("P2: {named} is not on the disk")),
        }
    }
}

/// P1: an operation whose start was acknowledged exists, and is what was asked for.
fn starts_are_kept(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    for Event { at, seen, .. } in evidence.events {
        let Seen::Started { request, operation_id } = seen else {
            continue;
        };
        match evidence.log.find(operation_id) {
            None => broken.push(format!(
                "P1: the start of {operation_id}, acknowledged at {at:?}, is not on the disk"
            )),
            Some(logged) if !is_of(&logged.operation, request.call) || logged.operation.request_id != request.id => {
                broken.push(format!("P9: {operation_id} was given for {request:?}"));
            }
            Some(_) => {}
        }
    }
}

/// P9: a request id starts one operation; other content is refused, with that operation's name.
fn request_ids_start_once(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    let mut started: BTreeMap<(i32, &str), &v1::Operation> = BTreeMap::new();
    for Logged { operation, .. } in &evidence.log.operations {
        if let Some(first) = started.insert((operation.kind, &operation.request_id), operation) {
            let (id, other) = (&first.operation_id, &operation.operation_id);
            broken.push(format!(
                "P9: request id {} has started {id} and {other}",
                operation.request_id
            ));
        }
    }
    for Event { at, seen, .. } in evidence.events {
        let Seen::Refused {
            request,
            reason,
            operation_id,
        } = seen
        else {
            continue;
        };
        if reason != reasons::REQUEST_ID_REUSED {
            continue;
        }
        let holder = started.get(&(request.call.kind().into(), request.id.as_str()));
        let honest = holder
            .is_some_and(|holder| operation_id.as_ref() == Some(&holder.operation_id) && !is_of(holder, request.call));
        if !honest {
            broken.push(format!(
                "P9: {request:?} was refused at {at:?} in favour of {operation_id:?}, not {holder:?}"
            ));
        }
    }
}

fn is_of(operation: &v1::Operation, call: Call) -> bool {
    let parameters = operation
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.parameters.as_ref());
    parameters.is_some_and(|parameters| call.has(parameters))
}

/// P10: the cluster API was called at most once for an operation that began, and at least once for one whose call
/// returned.
fn calls_are_made_once(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    const FUNCTIONS: [(&str, v1::OperationKind); 5] = [
        ("CreateCluster", v1::OperationKind::CreateCluster),
        ("AddClusterNode", v1::OperationKind::AddNode),
        ("EvictClusterNodeEx", v1::OperationKind::EvictNode),
        ("DestroyCluster", v1::OperationKind::DestroyCluster),
        (
            "ClusterUpgradeFunctionalLevel",
            v1::OperationKind::UpgradeFunctionalLevel,
        ),
    ];
    for (function, kind) in FUNCTIONS {
        let of_kind = || {
            evidence
                .log
                .operations
                .iter()
                .filter(|logged| logged.operation.kind() == kind)
        };
        let begun = of_kind().filter(|logged| logged.operation.start_time.is_some()).count() as u64;
        let succeeded = of_kind()
            .filter(|logged| logged.operation.state() == v1::OperationState::Succeeded)
            .count();
        let made = evidence.simulation.calls(function);
        if !(succeeded as u64..=begun).contains(&made) {
            broken.push(format!(
                "P10: {function} was called {made} times for {begun} operations that began and {succeeded} that succeeded"
            ));
        }
    }
}

/// P11: on one cluster, a call begins only after the one before has ended, across crashes too.
fn clusters_have_one_change_at_a_time(log: &Log, broken: &mut Vec<String>) {
    let mut running: BTreeMap<String, Vec<(u64, u64, &str)>> = BTreeMap::new();
    for Logged { operation, records } in &log.operations {
        let begin = records
            .iter()
            .find(|record| matches!(record.payload, Some(Payload::Started(_))));
        if let Some(begin) = begin {
            let interval = (begin.revision, operation.last_revision, operation.operation_id.as_str());
            running
                .entry(operation.cluster.to_lowercase())
                .or_default()
                .push(interval);
        }
    }
    for (cluster, mut intervals) in running {
        intervals.sort_unstable();
        for pair in intervals.windows(2) {
            let [(_, end, one), (begin, _, other)] = pair else {
                continue;
            };
            if begin < end {
                broken.push(format!("P11: {other} began on {cluster} while {one} was running"));
            }
        }
    }
}

/// P7: a snapshot from a list, and the records after it, are the operation.
fn lists_join_streams(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    let mut joined: BTreeMap<(ClientNumber, String), v1::Operation> = BTreeMap::new();
    for Event { client, seen, .. } in evidence.events {
        match seen {
            Seen::Listed { operation, .. } => {
                if let Ok(operation) = v1::Operation::decode(operation.as_slice()) {
                    joined.insert((*client, operation.operation_id.clone()), operation);
                }
            }
            Seen::Record {
                operation_id, bytes, ..
            } => {
                let Some(operation) = joined.get_mut(&(*client, operation_id.clone())) else {
                    continue;
                };
                let Ok(record) = v1::OperationRecord::decode(bytes.as_slice()) else {
                    continue;
                };
                if let Err(illegal) = fold(operation, &record, Rules::default()) {
                    broken.push(format!("P7: client {client} cannot join {operation_id}: {illegal}"));
                }
            }
            _ => {}
        }
    }
    for ((client, id), operation) in joined {
        let Some(Logged { operation: kept, .. }) = evidence.log.find(&id) else {
            broken.push(format!(
                "P2: operation {id}, which client {client} saw in a list, is not on the disk"
            ));
            continue;
        };
        let expected = v1::Operation {
            oldest_sequence: operation.oldest_sequence,
            ..kept.clone()
        };
        if kept.oldest_sequence == 1 && expected != operation {
            broken.push(format!("P7: client {client} has {operation:?} for {kept:?}"));
        }
    }
}

/// P12: who waited for an outcome, or cancelled in time, was told the state that stays; nobody was refused for a reason
/// that the contract does not know there.
fn answers_are_final(evidence: &Evidence<'_>, broken: &mut Vec<String>) {
    for Event { at, client, seen } in evidence.events {
        let (operation_id, state) = match seen {
            Seen::Waited { operation_id, state }
            | Seen::Cancelled {
                operation_id,
                answer: Ok(state),
            } => (operation_id, *state),
            Seen::Cancelled {
                operation_id,
                answer: Err(reason),
            } => {
                // No reason: no answer came in time.
                if !["", reasons::OPERATION_ENDED, reasons::STORE_FAILED].contains(&reason.as_str()) {
                    broken.push(format!(
                        "P5: client {client} could not cancel {operation_id} at {at:?}: {reason}"
                    ));
                }
                continue;
            }
            Seen::Refused { request, reason, .. } => {
                if [reasons::INTERNAL, reasons::INVALID_FIELD, ""].contains(&reason.as_str()) {
                    broken.push(format!(
                        "P5: client {client} could not start {request:?} at {at:?}: {reason}"
                    ));
                }
                continue;
            }
            _ => continue,
        };
        let kept = evidence.log.find(operation_id).map(|logged| logged.operation.state);
        let told = v1::OperationState::try_from(state).unwrap_or_default();
        if is_final(told) && kept != Some(state) {
            broken.push(format!(
                "P12: client {client} was told at {at:?} that {operation_id} is {told:?}, not {kept:?}"
            ));
        }
    }
}
