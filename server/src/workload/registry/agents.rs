//! What agents say: how they attach, leave and come back.

use wsfc_proto::v1;

use super::super::timers::Time;
use super::monitors::wire_duration;
use super::{AgentId, Holder, MOST_STANDING_BY, Output, Registry, Timer, WorkloadId};
use crate::journal::caseless;

/// Who attaches, and how; checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The workload.
    pub workload: String,
    /// The agent's name for people.
    pub agent: String,
    /// The lease that it comes back with; empty: none.
    pub lease_id: String,
    /// The id of the lease that it is given otherwise: one that nobody can guess.
    pub new_lease_id: String,
    /// How long the workload stays the agent's after its stream has ended.
    pub lease: Time,
    /// Whether it waits while another agent holds the workload.
    pub stand_by: bool,
    /// How long online resources may stay without an agent.
    pub loss_grace: Time,
    /// How often the health of online resources is asked for; zero: never.
    pub health_interval: Time,
}

/// Why an agent is not attached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// Another agent holds the workload.
    #[error("agent {agent:?} holds the workload")]
    Taken {
        /// Its name.
        agent: String,
    },
    /// The lease has run out, or never was.
    #[error("the lease is not known")]
    LeaseUnknown,
    /// The daemon stops.
    #[error("the daemon is stopping")]
    Stopping,
}

impl Registry {
    /// Attaches an agent, or lets it stand by. The stream must not have said so before.
    ///
    /// # Errors
    ///
    /// See [`AttachError`]; nothing has changed then.
    pub fn attach(&mut self, now: Time, agent: AgentId, registration: Registration) -> Result<(), AttachError> {
        if self.is_stopping {
            return Err(AttachError::Stopping);
        }
        let known = self.by_name.get(&caseless(&registration.workload)).copied();
        let holder = known.and_then(|id| self.workloads.get(&id)?.holder.as_ref());
        match holder {
            Some(holder) if holder.lease_id == registration.lease_id && !registration.lease_id.is_empty() => {}
            _ if !registration.lease_id.is_empty() => return Err(AttachError::LeaseUnknown),
            Some(holder) => {
                let taken = holder.registration.agent.clone();
                let waiting = known.and_then(|id| self.workloads.get_mut(&id));
                let waiting = waiting.map(|workload| &mut workload.standing_by);
                return match waiting.filter(|waiting| registration.stand_by && waiting.len() < MOST_STANDING_BY) {
                    None => Err(AttachError::Taken { agent: taken }),
                    Some(waiting) => {
                        waiting.push_back((agent, registration));
                        self.agents.extend(known.map(|id| (agent, id)));
                        let standing_by = v1::StandingBy { agent: taken };
                        self.tell_agent(agent, v1::attach_response::Message::StandingBy(standing_by));
                        Ok(())
                    }
                };
            }
            None => {}
        }
        let id = self.workload(&registration.workload);
        let resumed = !registration.lease_id.is_empty();
        self.install(now, id, agent, registration, resumed);
        Ok(())
    }

    /// Makes an agent the holder of a workload: one that has none, or whose lease the agent has.
    fn install(&mut self, now: Time, id: WorkloadId, agent: AgentId, registration: Registration, resumed: bool) {
        let Some(workload) = self.workloads.get_mut(&id) else {
            return;
        };
        let lease_id = if resumed {
            registration.lease_id.clone()
        } else {
            registration.new_lease_id.clone()
        };
        let instances = &self.instances;
        let open = workload.instances.iter().filter_map(|id| instances.get(id));
        let attached = v1::Attached {
            lease_id: lease_id.clone(),
            lease: Some(wire_duration(registration.lease)),
            resumed,
            open: Some(v1::OpenResources {
                resources: open.map(|instance| instance.known_as.clone()).collect(),
            }),
        };
        let holder = Holder {
            registration,
            lease_id,
            attached: None,
        };
        let former = workload.holder.replace(holder).and_then(|former| former.attached);
        if let Some(former) = former {
            // The end of its former stream has not been noticed yet.
            self.agents.remove(&former);
            let detached = v1::Detached {
                message: "the agent has come back on another stream".into(),
                reattach: false,
            };
            self.tell_agent(former, v1::attach_response::Message::Detached(detached));
            self.outputs.push(Output::EndAgent(former));
            self.take_back_all(now, id);
        }
        if let Some(holder) = self.workloads.get_mut(&id).and_then(|it| it.holder.as_mut()) {
            holder.attached = Some(agent);
        }
        self.agents.insert(agent, id);
        self.timers.clear(Timer::Lease(id));
        self.timers.clear(Timer::Loss(id));
        self.tell_agent(agent, v1::attach_response::Message::Attached(attached));
        self.give_all(now, id, !resumed);
    }

    /// Takes a message of an agent that has attached or stands by; the registration is none of them.
    pub fn agent_says(&mut self, now: Time, agent: AgentId, message: v1::attach_request::Message) {
        match message {
            v1::attach_request::Message::Status(status) => self.status(now, agent, status),
            v1::attach_request::Message::Health(health) => self.health(agent, &health),
            v1::attach_request::Message::Registration(_) => {}
        }
    }

    /// Rejects a message of an agent that says nothing that is known here.
    pub fn reject_unknown(&mut self, agent: AgentId) {
        let reason = v1::WorkloadRejection::InvalidField;
        self.reject(agent, String::new(), reason, "the message holds nothing that is known");
    }

    /// The stream of an agent has ended.
    pub fn agent_gone(&mut self, now: Time, agent: AgentId) {
        let Some(id) = self.agents.remove(&agent) else {
            return;
        };
        let Some(workload) = self.workloads.get_mut(&id) else {
            return;
        };
        workload.standing_by.retain(|(waiting, _)| *waiting != agent);
        let Some(holder) = workload.holder.as_mut().filter(|it| it.attached == Some(agent)) else {
            return;
        };
        holder.attached = None;
        let (lease, grace) = (holder.registration.lease, holder.registration.loss_grace);
        self.take_back_all(now, id);
        self.timers.set(Timer::Loss(id), now + grace);
        if grace.is_zero() {
            self.timers.clear(Timer::Loss(id));
            self.agent_is_lost(id);
        }
        self.timers.set(Timer::Lease(id), now + lease);
        if lease.is_zero() {
            self.timers.clear(Timer::Lease(id));
            self.lease_ends(now, id);
        }
    }

    /// The workload is no longer the agent's; the next one that waits has it.
    pub(super) fn lease_ends(&mut self, now: Time, id: WorkloadId) {
        let Some(workload) = self.workloads.get_mut(&id) else {
            return;
        };
        workload.holder = None;
        match workload.standing_by.pop_front() {
            Some((agent, registration)) => self.install(now, id, agent, registration, false),
            None => self.forget_workload(id),
        }
    }

    /// What is online has been without an agent for too long.
    pub(super) fn agent_is_lost(&mut self, id: WorkloadId) {
        let Some(workload) = self.workloads.get(&id) else {
            return;
        };
        for instance in workload.instances.iter().copied().collect::<Vec<_>>() {
            self.set_health(instance, false, "the agent of the workload is lost");
        }
    }

    /// Forgets a workload that nobody names any more.
    pub(super) fn forget_workload(&mut self, id: WorkloadId) {
        let is_unnamed = |workload: &super::Workload| workload.holder.is_none() && workload.instances.is_empty();
        if self.workloads.get(&id).is_some_and(is_unnamed)
            && let Some(workload) = self.workloads.remove(&id)
        {
            self.by_name.remove(&workload.key);
            self.timers.clear(Timer::Loss(id));
            self.timers.clear(Timer::Lease(id));
        }
    }
}
