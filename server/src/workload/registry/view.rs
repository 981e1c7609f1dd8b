//! What is told of workloads.

use std::collections::BTreeMap;

use wsfc_proto::v1;

use super::super::timers::Time;
use super::{AgentId, ChannelId, Instance, Registry, Slot, Timer, Workload, WorkloadId};
use crate::journal::caseless;

impl Registry {
    /// The workloads, ordered by name; or the one of a name. `at` tells the time of day of a time.
    pub fn workloads(&self, name: Option<&str>, at: impl Fn(Time) -> prost_types::Timestamp) -> Vec<v1::Workload> {
        let wanted = name.map(caseless);
        // A resource that names none has the empty name.
        let named = |key: &str| !key.is_empty() && wanted.as_deref().is_none_or(|wanted| wanted == key);
        let ids = self.by_name.iter().filter(|(key, _)| named(key));
        ids.filter_map(|(_, id)| Some(self.workload_view(*id, self.workloads.get(id)?, &at)))
            .collect()
    }

    fn workload_view(
        &self,
        id: WorkloadId,
        workload: &Workload,
        at: impl Fn(Time) -> prost_types::Timestamp,
    ) -> v1::Workload {
        let mut resources: BTreeMap<String, &Instance> = BTreeMap::new();
        for instance in workload.instances.iter().filter_map(|id| self.instances.get(id)) {
            // A host may have monitors of several nodes only in a simulation; there the one at work speaks for all.
            let is_at_work = |instance: &Instance| (instance.asked.is_some(), instance.is_online);
            let place = resources.entry(caseless(&instance.resource)).or_insert(instance);
            if is_at_work(instance) >= is_at_work(place) {
                *place = instance;
            }
        }
        let lease_end = self.timers.get(Timer::Lease(id));
        v1::Workload {
            name: workload.name.clone(),
            agent: workload
                .holder
                .as_ref()
                .map_or_else(String::new, |holder| holder.registration.agent.clone()),
            attached: workload.attached().is_some(),
            lease_end_time: lease_end.map(at),
            resources: resources
                .into_values()
                .map(|instance| v1::WorkloadResource {
                    resource: instance.resource.clone(),
                    call: [Slot::Terminate, Slot::Main, Slot::Open, Slot::Check]
                        .iter()
                        .find_map(|slot| instance.calls.get(slot))
                        .map_or(v1::WorkloadCallKind::Unspecified, |call| call.kind)
                        .into(),
                    status: instance.last_status.clone(),
                })
                .collect(),
        }
    }

    /// The connections that statuses of an agent go to.
    pub fn channels_of(&self, agent: AgentId) -> impl Iterator<Item = ChannelId> {
        let workload = self.agents.get(&agent).and_then(|id| self.workloads.get(id));
        let instances = workload.into_iter().flat_map(|workload| &workload.instances);
        instances.filter_map(|id| {
            let instance = self.instances.get(id)?;
            self.monitors.get(&instance.monitor)?.channel
        })
    }
}
