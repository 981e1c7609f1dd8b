//! `OperationService`: reads, follows and cancels operations.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use wsfc_proto::methods::{self, Method};
use wsfc_proto::v1;

use super::generated::operation_service_server::OperationService;
use super::stream::{RecordStream, Streams};
use super::{principal, scope, status};
use crate::access::layer::Caller;
use crate::access::policy::{Decision, Scope};
use crate::operation::engine::Engine;
use crate::operation::validate::{self, FieldViolation};
use crate::settings::Settings;
use crate::settings::current::Current;

/// The page size when none is asked for.
const PAGE: usize = 50;
/// The largest page.
const LARGEST_PAGE: usize = 500;
/// How many bytes of operations a page holds before it takes no more. An operation holds the text of its warnings and of
/// an inspection, and a client reads messages of 4 MiB.
const PAGE_BYTES: usize = 1 << 20;
/// How long `WaitOperation` waits when it is not told.
const WAIT: Duration = Duration::from_secs(60);
/// How long `WaitOperation` waits at most.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The service on one serving thread.
#[derive(Clone)]
pub struct Operations {
    /// The engine.
    pub engine: Engine,
    /// The streams of the thread.
    pub streams: Streams,
    /// Say how long a search of the journal may take.
    pub settings: Current<Settings>,
}

#[tonic::async_trait]
impl OperationService for Operations {
    type WatchOperationStream = RecordStream;

    async fn get_operation(
        &self,
        request: Request<v1::GetOperationRequest>,
    ) -> Result<Response<v1::GetOperationResponse>, Status> {
        let operation = self.find(&request.get_ref().operation_id, &scope(&request))?;
        Ok(Response::new(v1::GetOperationResponse {
            operation: Some(operation),
            store_id: self.store_id(),
        }))
    }

    async fn list_operations(
        &self,
        request: Request<v1::ListOperationsRequest>,
    ) -> Result<Response<v1::ListOperationsResponse>, Status> {
        let (scope, caller) = (scope(&request), principal(&request));
        let request = request.into_inner();
        let size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE,
            Ok(size) => size.min(LARGEST_PAGE),
            Err(_negative) => return Err(refuse("page_size", "must not be negative")),
        };
        let filter = Filter::of(&request)?;
        let before = if request.page_token.is_empty() {
            None
        } else {
            Some(read_token(&request).ok_or_else(status::page_token_invalid)?)
        };
        let journal = self.engine.journal();
        // Read before the page, so that everything up to it is in the page or on a later one.
        let revision = journal.head();
        // Filters that match little search the whole journal, which must not keep a serving thread.
        let journal = journal.clone();
        let searching = self.engine.searches().run_for(&caller, "wsfcd-list", move || {
            journal.page(before, size, PAGE_BYTES, |operation| {
                scope.holds(&operation.cluster) && filter.admits(operation)
            })
        });
        let limit = self.settings.get().limits.unary;
        let page = tokio::time::timeout(limit, searching)
            .await
            .map_err(|_elapsed| status::deadline("the search of the journal", limit))?
            .map_err(|error| status::blocking(&error))?
            .map_err(|error| status::list(&error))?;
        Ok(Response::new(v1::ListOperationsResponse {
            operations: page
                .operations
                .into_iter()
                .map(|operation| self.engine.as_it_stands(Arc::unwrap_or_clone(operation)))
                .collect(),
            next_page_token: page.next.map_or(String::new(), |before| make_token(before, &request)),
            store_id: self.store_id(),
            revision,
        }))
    }

    async fn watch_operation(
        &self,
        request: Request<v1::WatchOperationRequest>,
    ) -> Result<Response<RecordStream>, Status> {
        let scope = scope(&request);
        let request = request.into_inner();
        let store_id = self.store_id();
        if !request.store_id.is_empty() && request.store_id != store_id {
            return Err(status::store_replaced(&store_id));
        }
        let id = parse_id(&request.operation_id)?;
        self.check_seen(&request.operation_id, id, &scope)?;
        let stream = self
            .streams
            .open(id, request.after_sequence)
            .map_err(|error| status::read(&request.operation_id, &error))?;
        Ok(Response::new(stream))
    }

    async fn wait_operation(
        &self,
        request: Request<v1::WaitOperationRequest>,
    ) -> Result<Response<v1::WaitOperationResponse>, Status> {
        let scope = scope(&request);
        let request = request.into_inner();
        let id = parse_id(&request.operation_id)?;
        self.check_seen(&request.operation_id, id, &scope)?;
        let timeout = match &request.timeout {
            None => WAIT,
            Some(timeout) => validate::duration(timeout, LONGEST_WAIT).map_err(|fault| refuse("timeout", &fault))?,
        };
        let journal = self.engine.journal();
        let operation = tokio::select! {
            ended = journal.ended(id) => ended,
            () = tokio::time::sleep(timeout) => journal.operation(id),
            () = self.streams.stop.cancelled() => return Err(status::shutting_down()),
        };
        let operation = operation.map_err(|error| status::read(&request.operation_id, &error))?;
        Ok(Response::new(v1::WaitOperationResponse {
            operation: Some(self.engine.as_it_stands((*operation).clone())),
            store_id: self.store_id(),
        }))
    }

    async fn cancel_operation(
        &self,
        request: Request<v1::CancelOperationRequest>,
    ) -> Result<Response<v1::CancelOperationResponse>, Status> {
        let caller = principal(&request);
        let id = parse_id(&request.get_ref().operation_id)?;
        let asked = self.find(&request.get_ref().operation_id, &scope(&request))?;
        check_cancel(&request, &asked)?;
        let operation = self
            .engine
            .cancel(id, &caller)
            .await
            .map_err(|error| status::cancel(&request.get_ref().operation_id, &error))?;
        Ok(Response::new(v1::CancelOperationResponse {
            operation: Some((*operation).clone()),
            store_id: self.store_id(),
        }))
    }
}

impl Operations {
    fn store_id(&self) -> String {
        self.engine.journal().store_id().to_string()
    }

    /// The operation of an id, if its cluster may be seen. One that may not is not there.
    fn find(&self, operation_id: &str, scope: &Scope) -> Result<v1::Operation, Status> {
        let id = parse_id(operation_id)?;
        let operation = self.engine.journal().operation(id);
        let operation = operation.map_err(|error| status::read(operation_id, &error))?;
        if scope.holds(&operation.cluster) {
            Ok(self.engine.as_it_stands((*operation).clone()))
        } else {
            Err(status::operation_not_found(operation_id))
        }
    }

    /// Whether an operation may be seen, without reading it where all may.
    fn check_seen(&self, operation_id: &str, id: Uuid, scope: &Scope) -> Result<(), Status> {
        match (scope, self.engine.journal().operation(id)) {
            (Scope::Clusters(_), Ok(operation)) if !scope.holds(&operation.cluster) => {
                Err(status::operation_not_found(operation_id))
            }
            // What cannot be read says so where it is read.
            _ => Ok(()),
        }
    }
}

/// Who cancels an operation might have started it: it takes the permission that the start takes.
fn check_cancel<T>(request: &Request<T>, operation: &v1::Operation) -> Result<(), Status> {
    let needed = permission_of(operation.kind());
    let rights = request
        .extensions()
        .get::<Caller>()
        .map(|caller| caller.rights.decide(needed));
    match rights {
        Some(Decision::Granted(scope)) if scope.holds(&operation.cluster) => Ok(()),
        _ => Err(status::permission_missing(needed, None)),
    }
}

/// What the start of such an operation takes.
fn permission_of(kind: v1::OperationKind) -> v1::Permission {
    let name = kind
        .as_str_name()
        .trim_start_matches("OPERATION_KIND_")
        .replace('_', "");
    let starts = |method: &&Method| {
        let (_, method) = method.path.rsplit_once('/').unwrap_or_default();
        method.eq_ignore_ascii_case(&name)
    };
    methods::ALL
        .iter()
        .find(starts)
        .map_or(v1::Permission::AccessAdminister, |method| method.permission)
}

/// What is not a UUID is not the id of an operation.
fn parse_id(operation_id: &str) -> Result<Uuid, Status> {
    if operation_id.is_empty() {
        return Err(refuse("operation_id", "is required"));
    }
    Uuid::try_parse(operation_id).map_err(|_malformed| status::operation_not_found(operation_id))
}

fn refuse(field: &str, description: &str) -> Status {
    status::invalid(&[FieldViolation {
        field: field.into(),
        description: description.into(),
    }])
}

/// Which operations a list holds.
struct Filter {
    states: Vec<i32>,
    kinds: Vec<i32>,
    cluster: String,
    from: Option<SystemTime>,
    before: Option<SystemTime>,
}

impl Filter {
    fn of(request: &v1::ListOperationsRequest) -> Result<Self, Status> {
        let time = |field, time: &Option<prost_types::Timestamp>| match time {
            None => Ok(None),
            Some(time) => SystemTime::try_from(*time)
                .map(Some)
                .map_err(|_out_of_range| refuse(field, "is no time that can be")),
        };
        if request
            .states
            .iter()
            .any(|state| v1::OperationState::try_from(*state).is_err())
        {
            return Err(refuse("states", "holds a state that is not known"));
        }
        if request
            .kinds
            .iter()
            .any(|kind| v1::OperationKind::try_from(*kind).is_err())
        {
            return Err(refuse("kinds", "holds a kind that is not known"));
        }
        Ok(Self {
            states: request.states.clone(),
            kinds: request.kinds.clone(),
            cluster: request.cluster.to_lowercase(),
            from: time("create_time_from", &request.create_time_from)?,
            before: time("create_time_before", &request.create_time_before)?,
        })
    }

    fn admits(&self, operation: &v1::Operation) -> bool {
        let created = operation.create_time.and_then(|time| SystemTime::try_from(time).ok());
        (self.states.is_empty() || self.states.contains(&operation.state))
            && (self.kinds.is_empty() || self.kinds.contains(&operation.kind))
            && (self.cluster.is_empty() || self.cluster == operation.cluster.to_lowercase())
            && self
                .from
                .is_none_or(|from| created.is_some_and(|created| created >= from))
            && self
                .before
                .is_none_or(|before| created.is_some_and(|created| created < before))
    }
}

/// A token is the position and a checksum of the filters, so that it is of use only where it was given.
fn make_token(before: u64, request: &v1::ListOperationsRequest) -> String {
    let mut bytes = before.to_be_bytes().to_vec();
    bytes.extend(checksum(before, request).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read_token(request: &v1::ListOperationsRequest) -> Option<u64> {
    let bytes: [u8; 12] = URL_SAFE_NO_PAD.decode(&request.page_token).ok()?.try_into().ok()?;
    let (before, sum) = bytes.split_first_chunk::<8>()?;
    let before = u64::from_be_bytes(*before);
    (checksum(before, request).to_be_bytes() == *sum).then_some(before)
}

fn checksum(before: u64, request: &v1::ListOperationsRequest) -> u32 {
    let filters = v1::ListOperationsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    crc32c::crc32c_append(crc32c::crc32c(&before.to_be_bytes()), &filters.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(cluster: &str, page_token: String) -> v1::ListOperationsRequest {
        v1::ListOperationsRequest {
            cluster: cluster.into(),
            page_token,
            ..Default::default()
        }
    }

    #[test]
    fn every_kind_of_operation_is_started_by_a_method() {
        for kind in (1..).map_while(|number| v1::OperationKind::try_from(number).ok()) {
            assert_ne!(
                permission_of(kind),
                v1::Permission::AccessAdminister,
                "{}",
                kind.as_str_name()
            );
        }
        assert_eq!(
            permission_of(v1::OperationKind::DestroyCluster),
            v1::Permission::ClusterDestroy
        );
    }

    proptest! {
        #[test]
        fn a_token_gives_its_position_back_for_its_filters_only(before: u64) {
            let token = make_token(before, &list("a", String::new()));
            prop_assert_eq!(read_token(&list("a", token.clone())), Some(before));
            prop_assert_eq!(read_token(&list("b", token)), None);
        }

        #[test]
        fn garbage_is_no_token(token: String) {
            prop_assert_eq!(read_token(&list("", token)), None);
        }
    }

    #[test]
    fn filters_must_all_hold() {
        let operation = v1::Operation {
            state: v1::OperationState::Failed.into(),
            kind: v1::OperationKind::AddNode.into(),
            cluster: "CL1".into(),
            create_time: Some(prost_types::Timestamp { seconds: 100, nanos: 0 }),
            ..Default::default()
        };
        let admits = |request: v1::ListOperationsRequest| Filter::of(&request).unwrap().admits(&operation);
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        assert!(admits(v1::ListOperationsRequest::default()));
        assert!(admits(list("cl1", String::new())));
        assert!(!admits(list("cl2", String::new())));
        assert!(admits(v1::ListOperationsRequest {
            create_time_from: at(100),
            create_time_before: at(101),
            ..Default::default()
        }));
        assert!(!admits(v1::ListOperationsRequest {
            create_time_before: at(100),
            ..Default::default()
        }));
        assert!(!admits(v1::ListOperationsRequest {
            create_time_from: at(101),
            ..Default::default()
        }));
        assert!(!admits(v1::ListOperationsRequest {
            states: vec![1],
            ..Default::default()
        }));
        assert!(
            Filter::of(&v1::ListOperationsRequest {
                states: vec![99],
                ..Default::default()
            })
            .is_err()
        );
    }
}
