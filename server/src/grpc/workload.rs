//! `WorkloadService`: agents, and what is known of workloads.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use wsfc_proto::v1;

use super::generated::workload_service_server::WorkloadService;
use super::serve::Service;
use super::status;
use crate::audit::{self, Held};
use crate::operation::validate::{FieldViolation, from_wire};
use crate::workload::Workloads;
use crate::workload::hub::Agent;
use crate::workload::registry::{NAME_CHARACTERS, Registration};

/// How long an agent's lease is where it does not say.
const LEASE: Duration = Duration::from_secs(10);
/// The longest lease.
const LONGEST_LEASE: Duration = Duration::from_secs(10 * 60);
/// How often health is asked for where the agent does not say, and at most.
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// The longest grace and interval.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[tonic::async_trait]
impl WorkloadService for Service {
    type AttachStream = AgentStream<Streaming<v1::AttachRequest>>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let patience = self.settings.get().limits.unary;
        let ticket = request.extensions().get::<Held>().cloned();
        Ok(Response::new(AgentStream::new(
            request.into_inner(),
            self.workloads.clone(),
            patience,
            ticket,
        )))
    }

    async fn get_workload(
        &self,
        request: Request<v1::GetWorkloadRequest>,
    ) -> Result<Response<v1::GetWorkloadResponse>, Status> {
        let name = request.into_inner().workload;
        let violations: Vec<_> = name_fault("workload", &name).into_iter().collect();
        if !violations.is_empty() {
            return Err(status::invalid(&violations));
        }
        let workload = self.workloads.list(Some(&name)).into_iter().next();
        let workload = workload.ok_or_else(|| status::workload_not_found(&name))?;
        Ok(Response::new(v1::GetWorkloadResponse {
            workload: Some(workload),
        }))
    }

    async fn list_workloads(
        &self,
        _request: Request<v1::ListWorkloadsRequest>,
    ) -> Result<Response<v1::ListWorkloadsResponse>, Status> {
        let workloads = self.workloads.list(None);
        let endpoint = self.settings.get().endpoint_to_tell();
        Ok(Response::new(v1::ListWorkloadsResponse { workloads, endpoint }))
    }
}

/// The two ways of an agent's stream.
///
/// What the agent says is taken when nothing is left to send to it, so an agent that does not read is not listened to.
pub struct AgentStream<S> {
    incoming: S,
    agent: Option<Agent>,
    workloads: Workloads,
    has_registered: bool,
    /// What the audit log is told by; absent without one.
    ticket: Option<Held>,
    patience: Duration,
    /// Fires when the agent has not said who it is in time.
    silence: Pin<Box<Sleep>>,
}

impl<S> AgentStream<S> {
    fn new(incoming: S, workloads: Workloads, patience: Duration, ticket: Option<Held>) -> Self {
        Self {
            incoming,
            agent: Some(workloads.agent()),
            workloads,
            has_registered: false,
            ticket,
            patience,
            silence: Box::pin(tokio::time::sleep(patience)),
        }
    }

    /// Takes a message; the first one must be the registration, and no other may be.
    fn take(&mut self, message: Option<v1::attach_request::Message>) -> Result<(), Status> {
        let Some(agent) = &self.agent else { return Ok(()) };
        let refuse = |description: &str| {
            let fault = FieldViolation {
                field: "registration".into(),
                description: description.into(),
            };
            Err(status::invalid(&[fault]))
        };
        match (self.has_registered, message) {
            (false, Some(v1::attach_request::Message::Registration(registration))) => {
                let registration = registration_of(registration, self.workloads.new_lease_id());
                let registration = registration.map_err(|violations| status::invalid(&violations))?;
                let workload = registration.workload.clone();
                let attached = agent
                    .attach(registration)
                    .map_err(|error| status::attach(&workload, &error));
                if let Some(ticket) = &self.ticket {
                    ticket.outcome(
                        audit::call::outcome_of_result(&attached),
                        &format!("workload {workload}"),
                    );
                }
                attached?;
                self.has_registered = true;
            }
            (false, _) => return refuse("must be the first message"),
            (true, Some(v1::attach_request::Message::Registration(_))) => return refuse("was sent twice"),
            (true, message) => agent.says(message),
        }
        Ok(())
    }

    /// Ends the stream; the agent is gone.
    fn end<T>(&mut self, last: Option<Result<T, Status>>) -> Poll<Option<Result<T, Status>>> {
        self.agent = None;
        if let (Some(ticket), Some(Err(refused))) = (&self.ticket, &last) {
            ticket.outcome(audit::call::outcome_of(refused), "");
        }
        Poll::Ready(last)
    }
}

impl<S> Drop for AgentStream<S> {
    /// An agent that leaves before it has said what it is for has come to nothing.
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket {
            let left = Status::cancelled("the agent has left");
            ticket.outcome(audit::call::outcome_of(&left), "");
        }
    }
}

impl<S> Stream for AgentStream<S>
where
    S: Stream<Item = Result<v1::AttachRequest, Status>> + Unpin,
{
    type Item = Result<v1::AttachResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(agent) = &self.agent else {
                return Poll::Ready(None);
            };
            match agent.poll_next(context) {
                Poll::Ready(Some(message)) => {
                    let message = Some(message);
                    return Poll::Ready(Some(Ok(v1::AttachResponse { message })));
                }
                Poll::Ready(None) => return self.end(None),
                Poll::Pending => {}
            }
            if agent.poll_room(context).is_pending() {
                return Poll::Pending;
            }
            match Pin::new(&mut self.incoming).poll_next(context) {
                Poll::Ready(Some(Ok(message))) => {
                    if let Err(refused) = self.take(message.message) {
                        return self.end(Some(Err(refused)));
                    }
                }
                // The agent has nothing more to say, or its connection is lost: both are its end.
                Poll::Ready(Some(Err(_)) | None) => return self.end(None),
                Poll::Pending => break,
            }
        }
        if !self.has_registered && self.silence.as_mut().poll(context).is_ready() {
            let overdue = status::deadline("the registration of the agent", self.patience);
            return self.end(Some(Err(overdue)));
        }
        Poll::Pending
    }
}

fn name_fault(field: &str, name: &str) -> Option<FieldViolation> {
    let description = match name.chars().count() {
        0 => "is required",
        1..=NAME_CHARACTERS => return None,
        _ => "has more than 255 characters",
    };
    Some(FieldViolation {
        field: field.into(),
        description: description.into(),
    })
}

/// Checks a registration, and fills in what it does not say.
fn registration_of(
    registration: v1::AgentRegistration,
    new_lease_id: String,
) -> Result<Registration, Vec<FieldViolation>> {
    let mut violations: Vec<_> = name_fault("registration.workload", &registration.workload)
        .into_iter()
        .collect();
    let mut refuse = |field: &str, description: &str| {
        violations.push(FieldViolation {
            field: format!("registration.{field}"),
            description: description.into(),
        });
    };
    for (field, text) in [("agent", &registration.agent), ("lease_id", &registration.lease_id)] {
        if text.chars().count() > NAME_CHARACTERS {
            refuse(field, "has more than 255 characters");
        }
    }
    let mut duration = |field: &str, given: Option<prost_types::Duration>, default, most, text: &str| match given {
        None => default,
        Some(given) => {
            let read = from_wire(&given).filter(|read| *read <= most);
            read.unwrap_or_else(|| {
                refuse(field, text);
                default
            })
        }
    };
    let lease = duration(
        "lease",
        registration.lease,
        LEASE,
        LONGEST_LEASE,
        "is not between 0 and 10 minutes",
    );
    let day = "is not between 0 and 24 hours";
    let loss_grace = duration("loss_grace", registration.loss_grace, lease, LONGEST, day);
    let interval = registration.health_interval;
    let health_interval = duration("health_interval", interval, HEALTH_INTERVAL, LONGEST, day);
    if !health_interval.is_zero() && health_interval < SHORTEST_INTERVAL {
        refuse("health_interval", "is less than 100 milliseconds");
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Registration {
        workload: registration.workload,
        agent: registration.agent,
        lease_id: registration.lease_id,
        new_lease_id,
        lease,
        stand_by: registration.stand_by,
        loss_grace,
        health_interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(milliseconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration {
            seconds: milliseconds / 1_000,
            nanos: i32::try_from(milliseconds % 1_000 * 1_000_000).unwrap(),
        })
    }

    #[test]
    fn a_registration_is_checked_and_filled_in() {
        let plain = v1::AgentRegistration {
            workload: "App".into(),
            ..v1::AgentRegistration::default()
        };
        let read = registration_of(plain.clone(), "new".into()).unwrap();
        assert_eq!(
            (read.lease, read.loss_grace, read.health_interval),
            (LEASE, LEASE, HEALTH_INTERVAL)
        );
        let never = v1::AgentRegistration {
            lease: duration(600_000),
            health_interval: duration(0),
            ..plain
        };
        let read = registration_of(never, "new".into()).unwrap();
        assert_eq!(
            (read.lease, read.loss_grace, read.health_interval),
            (LONGEST_LEASE, LONGEST_LEASE, Duration::ZERO)
        );
        let wrong = v1::AgentRegistration {
            workload: "x".repeat(256),
            agent: "x".repeat(256),
            lease: duration(600_001),
            loss_grace: duration(-1),
            health_interval: duration(99),
            ..v1::AgentRegistration::default()
        };
        let refused = registration_of(wrong, "new".into()).unwrap_err();
        let fields: Vec<_> = refused.iter().map(|violation| violation.field.as_str()).collect();
        let expected = ["workload", "agent", "lease", "loss_grace", "health_interval"];
        assert_eq!(fields, expected.map(|field| format!("registration.{field}")));
    }
}
