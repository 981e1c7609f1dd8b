//! What the Resource Monitor was told, and what it has terminated.

use std::time::Duration;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_clusapi::sys::resapi::ResourceExitStateContinue;
use wsfc_proto::v1;
use wsfc_resource_channel::{Source, Terminated, Told};

use super::super::timers::Time;
use super::monitors::wire_duration;
use super::{Instance, InstanceId, MESSAGE_CHARACTERS, MonitorId, PATIENCE, Registry, Replaced, Slot, Timer, call_id};
use crate::inventory::fields;

impl Registry {
    /// Takes what the Resource Monitor was told; it is given back for the journal.
    pub(super) fn told(&mut self, now: Time, monitor: MonitorId, told: Told) -> Option<v1::ResourceStatus> {
        let Some(id) = self.instance(monitor, told.instance) else {
            tracing::warn!(instance = told.instance, "A status of an unknown resource was told");
            return None;
        };
        let name = self.monitors.get(&monitor).map_or("", |monitor| &monitor.id);
        let instance = self.instances.get_mut(&id)?;
        let was_taken = told.exit_state == Some(ResourceExitStateContinue);
        let is_final = !matches!(
            told.native_state,
            resource_state::PENDING | resource_state::ONLINE_PENDING | resource_state::OFFLINE_PENDING
        );
        let answers = instance.answered.as_ref().is_some_and(|it| it.call == told.call);
        if is_final && (answers || instance.asked.is_none()) {
            instance.answered = None;
            instance.expects_call = false;
            instance.is_online = was_taken && !instance.is_terminated && told.native_state == resource_state::ONLINE;
        }
        let ended_by_dll = instance.asked.as_ref().is_some_and(|it| it.number == told.call) && is_final;
        let workload = self.workloads.get(&instance.workload);
        let workload = workload.map_or("", |workload| &workload.name);
        let status = status(name, &instance.resource, workload, told);
        instance.last_status = Some(status.clone());
        if ended_by_dll {
            // It had no word of the daemon for too long.
            self.end_call(now, id, Slot::Main, Some(v1::WorkloadCallEnd::Timeout));
        }
        self.schedule_check(now, id);
        Some(status)
    }

    /// What the Resource Monitor was told, by a connection that has been replaced; it says nothing about how things are by now.
    pub(super) fn told_late(&self, replaced: &Replaced, told: Told) -> Option<v1::ResourceStatus> {
        let opened = replaced.opened.get(&told.instance);
        let opened = opened.map(|(resource, workload)| (resource.as_str(), workload.as_str()));
        let names = opened.or_else(|| {
            let monitor = self.monitors.iter().find(|(_, monitor)| monitor.id == replaced.monitor);
            let instance = self.instances.get(&self.instance(*monitor?.0, told.instance)?)?;
            let workload = self.workloads.get(&instance.workload)?;
            Some((instance.resource.as_str(), workload.name.as_str()))
        });
        let Some((resource, workload)) = names else {
            tracing::warn!(
                instance = told.instance,
                "A status of an unknown resource was told late"
            );
            return None;
        };
        Some(status(&replaced.monitor, resource, workload, told))
    }

    /// The cluster has terminated a resource.
    pub(super) fn terminated(&mut self, now: Time, monitor: MonitorId, terminated: Terminated) {
        let Some(id) = self.instance(monitor, terminated.instance) else {
            return;
        };
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if terminated.call != 0 && instance.last_call > terminated.call {
            // It was told before that call, and is told again.
            return;
        }
        instance.is_online = false;
        instance.is_healthy = true;
        instance.is_terminated = true;
        instance.expects_call = false;
        instance.answered = None;
        self.timers.clear(Timer::Check(id));
        for slot in [Slot::Open, Slot::Check, Slot::Main] {
            self.end_call(now, id, slot, Some(v1::WorkloadCallEnd::Terminated));
        }
        self.terminate(now, id);
    }

    /// Asks the agent to end the work of a resource, unless that is under way.
    pub(super) fn terminate(&mut self, now: Time, id: InstanceId) {
        let is_under_way = |instance: &Instance| instance.calls.contains_key(&Slot::Terminate);
        if self.instances.get(&id).is_some_and(is_under_way) {
            return;
        }
        let call = self.own_call_id();
        self.begin(
            id,
            Slot::Terminate,
            v1::WorkloadCallKind::Terminate,
            call,
            PATIENCE,
            false,
        );
        self.give(now, id, Slot::Terminate);
    }
}

/// What the Resource Monitor was told, in the form of the contract.
fn status(monitor: &str, resource: &str, workload: &str, told: Told) -> v1::ResourceStatus {
    let call = match told.call {
        0 => String::new(),
        number => {
            let instance = told.instance.to_be_bytes();
            call_id(&[monitor.as_bytes(), &instance, b"call", &number.to_be_bytes()]).to_string()
        }
    };
    v1::ResourceStatus {
        resource: resource.into(),
        workload: workload.into(),
        call_id: call,
        state: fields::resource_state(told.native_state).into(),
        native_state: told.native_state,
        check_point: told.check_point,
        wait_hint: (told.wait_hint_ms > 0).then(|| wire_duration(Duration::from_millis(told.wait_hint_ms))),
        native_exit_state: told.exit_state,
        percent: told.percent,
        message: told.message.chars().take(MESSAGE_CHARACTERS).collect(),
        source: match Source::try_from(told.source) {
            Ok(Source::Agent) => v1::ResourceStatusSource::Agent,
            Ok(Source::Daemon) => v1::ResourceStatusSource::Daemon,
            Ok(Source::Dll) => v1::ResourceStatusSource::ResourceDll,
            Ok(Source::Unspecified) | Err(_) => v1::ResourceStatusSource::Unspecified,
        }
        .into(),
        win32_code: told.win32_code,
        time: Some(wire_time(told.time_ms)),
        ..v1::ResourceStatus::default()
    }
}

fn wire_time(milliseconds: u64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(milliseconds / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(milliseconds % 1_000 * 1_000_000).unwrap_or(0),
    }
}
