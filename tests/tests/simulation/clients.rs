//! The simulated clients.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::time::sleep;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;
use turmoil::net::TcpStream;
use wsfc_client::v1::operation_record::Payload;
use wsfc_client::v1::{self, OperationState};
use wsfc_client::{Client, ConnectOptions, Error, Operation, Progress, ProgressStream, Reason};
use wsfc_proto::v1::operation_service_client::OperationServiceClient;
use wsfcd::logging::chain;

use crate::daemon;
use crate::history::{ClientNumber, Position, Seen, StreamNumber};
use crate::plan::{Call, Intent, Request, Role, Then};
use crate::stage::Stage;

/// Runs a client until its host is killed.
pub async fn run(stage: Rc<Stage>, me: ClientNumber) -> turmoil::Result {
    match stage.plan.clients[me] {
        Role::Starter => start_all(&stage, me).await?,
        role @ (Role::Follower | Role::Joiner) => follow_all(&stage, me, role == Role::Joiner).await?,
        Role::Wanderer => wander(&stage, me).await?,
    }
    pending().await
}

async fn connect(_endpoint: Uri) -> io::Result<TcpStream> {
    TcpStream::connect((daemon::HOST, daemon::PORT)).await
}

/// The client library, impatient enough for a short simulation.
fn library() -> Result<Client, Error> {
    let options = ConnectOptions {
        connect_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(8),
        keep_alive_interval: Duration::from_secs(2),
        keep_alive_timeout: Duration::from_secs(2),
        retry_longest: Duration::from_secs(2),
        silence_timeout: Duration::from_secs(8),
        ..ConnectOptions::new([format!("http://{}:{}", daemon::HOST, daemon::PORT)])
    };
    Client::from_connector(options, tower::service_fn(connect))
}

/// Starts what the plan says, one after the other; after a death, again from the one that was not done with.
async fn start_all(stage: &Stage, me: ClientNumber) -> Result<(), Error> {
    let client = library()?;
    let starter = &stage.starters[me];
    starter.busy.set(false);
    while let Some(intent) = stage.plan.intents[me].get(starter.done.get()) {
        sleep(intent.after).await;
        if stage.healing.get() {
            return Ok(());
        }
        starter.busy.set(true);
        carry_out(stage, me, &client, intent).await;
        starter.done.set(starter.done.get() + 1);
        starter.busy.set(false);
    }
    Ok(())
}

async fn carry_out(stage: &Stage, me: ClientNumber, client: &Client, intent: &Intent) {
    let request = &intent.request;
    let operation = loop {
        match start(client, request).await {
            Ok(operation) => break operation,
            Err(error) => {
                let reason = error.reason().map(Reason::name).unwrap_or_default();
                // Without an answer nobody knows whether it was started, so it must be asked for again.
                if matches!(error, Error::TimedOut { .. }) {
                    continue;
                }
                let named = error
                    .rejection()
                    .and_then(|rejection| rejection.metadata.get("operation_id"))
                    .cloned();
                let refused = Seen::Refused {
                    request: request.clone(),
                    reason: reason.into(),
                    operation_id: named,
                };
                stage.history.note(me, refused);
                return;
            }
        }
    };
    let operation_id = operation.id().to_owned();
    stage.history.note(
        me,
        Seen::Started {
            request: request.clone(),
            operation_id: operation_id.clone(),
        },
    );
    match intent.then {
        Then::Follow => follow_started(stage, me, &operation, u64::MAX).await,
        Then::FollowFor(records) => follow_started(stage, me, &operation, records).await,
        Then::Wait => match operation.wait().await {
            Ok(outcome) => stage.history.note(
                me,
                Seen::Waited {
                    operation_id,
                    state: outcome.state,
                },
            ),
            Err(error) => stage.complain(format!("P5: waiting for {operation_id} failed: {}", chain(&error))),
        },
        Then::Cancel(after) => {
            sleep(after).await;
            let answer = match operation.cancel().await {
                Ok(operation) => Ok(operation.state),
                Err(error) => Err(error.reason().map(Reason::name).unwrap_or_default().to_owned()),
            };
            stage.history.note(me, Seen::Cancelled { operation_id, answer });
        }
        Then::Leave => {}
    }
}

async fn start(client: &Client, request: &Request) -> Result<Operation, Error> {
    match request.call {
        Call::Create(cluster, nodes) => client.create_cluster(request.create(cluster, nodes)).await,
        Call::Add(cluster, node) => client.add_node(request.add(cluster, node)).await,
        Call::Evict(cluster, node) => client.evict_node(request.evict(cluster, node)).await,
        Call::Destroy(cluster) => client.destroy_cluster(request.destroy(cluster)).await,
        Call::Upgrade(cluster) => client.upgrade_functional_level(request.upgrade(cluster)).await,
    }
}

async fn follow_started(stage: &Stage, me: ClientNumber, operation: &Operation, records: u64) {
    let stream = stage.history.open(me, operation.id(), 0);
    let mut progress = operation.progress();
    let ended = follow(stage, me, stream, &mut progress, records, |_record, _store| {}).await;
    note_end(stage, me, stream, ended.as_ref().err());
}

/// Takes so many records from a stream; whatever it fails with is for good.
async fn follow(
    stage: &Stage,
    me: ClientNumber,
    stream: StreamNumber,
    progress: &mut ProgressStream,
    records: u64,
    mut keep: impl FnMut(&v1::OperationRecord, &str),
) -> Result<(), Error> {
    let mut left = records;
    while left > 0 {
        match progress.next().await {
            Some(Ok(Progress::Record(record))) => {
                stage.history.record(me, stream, &record);
                keep(&record, progress.store_id());
                left -= 1;
            }
            Some(Ok(Progress::Reconnecting { .. } | Progress::Resumed { .. })) => {}
            Some(Err(error)) => return Err(error),
            None => break,
        }
    }
    Ok(())
}

fn note_end(stage: &Stage, me: ClientNumber, stream: StreamNumber, error: Option<&Error>) {
    let told = |error: &Error| {
        let reason = match error {
            Error::Gap { .. } => "gap",
            Error::StoreChanged { .. } => "store changed",
            Error::Malformed { .. } => "malformed",
            other => other.reason().map(Reason::name).unwrap_or_default(),
        };
        (reason.to_owned(), chain(error))
    };
    stage.history.note(
        me,
        Seen::Ended {
            stream,
            error: error.map(told),
        },
    );
}

/// Follows every operation there is; after a death, each from the last record that was seen.
async fn follow_all(stage: &Rc<Stage>, me: ClientNumber, joins: bool) -> Result<(), Error> {
    let client = library()?;
    let mut known = BTreeSet::new();
    loop {
        let mut listed = client.all_operations(v1::ListOperationsRequest {
            page_size: 3,
            ..Default::default()
        });
        // A list that fails is asked for again.
        while let Some(Ok(operation)) = listed.next().await {
            if known.insert(operation.operation_id.clone()) {
                tokio::task::spawn_local(follow_one(Rc::clone(stage), me, client.clone(), operation, joins));
            }
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn follow_one(stage: Rc<Stage>, me: ClientNumber, client: Client, listed: v1::Operation, joins: bool) {
    let history = &stage.history;
    let id = listed.operation_id.clone();
    let (mut position, first) = match history.position(me, &id) {
        Some(position) => (position, false),
        None if joins => {
            let ended = is_final(listed.state());
            (
                Position {
                    sequence: listed.last_sequence,
                    ended,
                    ..Position::default()
                },
                true,
            )
        }
        None => (Position::default(), true),
    };
    if position.ended && !first {
        return;
    }
    let stream = history.open(me, &id, position.sequence);
    if first && joins {
        history.note(
            me,
            Seen::Listed {
                stream,
                operation: listed.encode_to_vec(),
            },
        );
    }
    history.keep(me, &id, position.clone());
    if position.ended {
        return;
    }
    let mut progress = client
        .operation(&id)
        .progress_after(position.sequence, position.store_id.clone());
    let result = follow(&stage, me, stream, &mut progress, u64::MAX, |record, store_id| {
        position.sequence = record.sequence;
        position.store_id = store_id.into();
        position.ended = matches!(record.payload, Some(Payload::Outcome(_)));
        history.keep(me, &id, position.clone());
    })
    .await;
    note_end(&stage, me, stream, result.as_ref().err());
    // Only what has ended is compacted, so nothing more will come.
    if result.is_err_and(|error| error.reason() == Some(&Reason::Compacted)) {
        history.keep(
            me,
            &id,
            Position {
                ended: true,
                ..position
            },
        );
    }
}

/// Opens streams at any position, and leaves them at any moment.
async fn wander(stage: &Stage, me: ClientNumber) -> Result<(), tonic::transport::Error> {
    let mut random = fastrand::Rng::with_seed(stage.plan.seed ^ stage.history.len() as u64);
    let endpoint = Endpoint::from_shared(format!("http://{}:{}", daemon::HOST, daemon::PORT))?
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .timeout(Duration::from_secs(10));
    loop {
        let connector = tower::service_fn(connect).map_response(TokioIo::new);
        let connecting = endpoint.connect_with_connector(connector);
        if let Ok(Ok(channel)) = tokio::time::timeout(Duration::from_secs(1), connecting).await {
            // Whatever breaks, a new connection mends it.
            let _broken = visit(stage, me, OperationServiceClient::new(channel), &mut random).await;
        }
        sleep(Duration::from_millis(random.u64(50..500))).await;
    }
}

async fn visit(
    stage: &Stage,
    me: ClientNumber,
    mut client: OperationServiceClient<Channel>,
    random: &mut fastrand::Rng,
) -> Result<(), tonic::Status> {
    loop {
        sleep(Duration::from_millis(random.u64(1..200))).await;
        let listed = client
            .list_operations(v1::ListOperationsRequest::default())
            .await?
            .into_inner()
            .operations;
        let Some(operation) = random.choice(&listed) else {
            continue;
        };
        let last = operation.last_sequence;
        let after_sequence = match random.u8(..8) {
            0..3 => 0,
            3..5 => last,
            5..7 => random.u64(..=last),
            _ => last + random.u64(1..100),
        };
        let operation_id = operation.operation_id.clone();
        let stream = stage.history.open(me, &operation_id, after_sequence);
        let request = v1::WatchOperationRequest {
            operation_id,
            after_sequence,
            store_id: String::new(),
        };
        let result = watch(stage, me, stream, &mut client, request, random).await;
        let error = result
            .as_ref()
            .err()
            .map(|status| Error::from_status("WatchOperation", status.clone()));
        note_end(stage, me, stream, error.as_ref().filter(|error| !error.is_retryable()));
        if error.is_some_and(|error| error.is_retryable()) {
            return result;
        }
    }
}

async fn watch(
    stage: &Stage,
    me: ClientNumber,
    stream: StreamNumber,
    client: &mut OperationServiceClient<Channel>,
    request: v1::WatchOperationRequest,
    random: &mut fastrand::Rng,
) -> Result<(), tonic::Status> {
    let mut messages = client.watch_operation(request).await?.into_inner();
    let slow = random.u8(..4) == 0;
    for _ in 0..random.u64(1..40) {
        let Some(message) = messages.message().await? else {
            break;
        };
        for record in &message.records {
            stage.history.record(me, stream, record);
        }
        if let Some(v1::StreamMark {
            store_id,
            sequence,
            revision,
            ..
        }) = message.mark
        {
            stage.history.note(
                me,
                Seen::Mark {
                    stream,
                    store_id,
                    sequence,
                    revision,
                },
            );
        }
        if slow {
            sleep(Duration::from_millis(random.u64(..400))).await;
        }
    }
    Ok(())
}

/// True for the states that an operation never leaves.
pub fn is_final(state: OperationState) -> bool {
    wsfcd::operation::fold::is_final(state)
}
