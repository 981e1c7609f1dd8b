//! Everything in any order: what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Move {
    Hello(u64),
    Disconnect,
    Opened(u64, bool, bool),
    Begun(u64, bool, bool),
    Told(u64, i32),
    Terminated(u64),
    Closed(u64),
    Attach(u64, bool, bool),
    Gone(u64),
    Answer(u64, usize, i32),
    Health(u64, bool),
    Pass(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    let instance = 1..4_u64;
    let agent = 1..4_u64;
    prop_oneof![
        1 => (1..3_u64).prop_map(Move::Hello),
        1 => Just(Move::Disconnect),
        2 => (instance.clone(), any::<bool>(), any::<bool>()).prop_map(|(it, on, again)| Move::Opened(it, on, again)),
        4 => (instance.clone(), any::<bool>(), any::<bool>()).prop_map(|(it, on, again)| Move::Begun(it, on, again)),
        2 => (instance.clone(), prop::sample::select(vec![2, 3, 4, 129])).prop_map(|(it, state)| Move::Told(it, state)),
        1 => instance.clone().prop_map(Move::Terminated),
        1 => instance.prop_map(Move::Closed),
        3 => (agent.clone(), any::<bool>(), any::<bool>()).prop_map(|(it, lease, wait)| Move::Attach(it, lease, wait)),
        1 => agent.clone().prop_map(Move::Gone),
        8 => (agent.clone(), 0..6_usize, 0..5).prop_map(|(it, call, state)| Move::Answer(it, call, state)),
        1 => (agent, any::<bool>()).prop_map(|(it, healthy)| Move::Health(it, healthy)),
        4 => prop::sample::select(vec![1, 500, 3_000, 9_000, 31_000]).prop_map(Move::Pass),
    ]
}

/// What a test knows of the two sides.
#[derive(Default)]
struct Sides {
    greeted: bool,
    /// The calls of each agent, as it was given them.
    given: BTreeMap<AgentId, Vec<String>>,
    /// Agents whose stream is open and has said who it is.
    attached: BTreeSet<AgentId>,
    /// Calls of the cluster that have begun at the DLL and have no final status.
    begun: BTreeSet<(u64, u64)>,
    numbers: u64,
}

impl Sides {
    /// Looks at what was said. A call has one final status for each time that the DLL asked for it.
    fn hear(&mut self, said: Vec<Output>) {
        for output in said {
            match output {
                Output::Agent(agent, message) => {
                    assert!(self.attached.contains(&agent), "{agent:?} has no stream: {message:?}");
                    if let ToAgent::Call(call) = message {
                        assert!(!call.call_id.is_empty() && call.kind() != Kind::Unspecified);
                        self.given.entry(agent).or_default().push(call.call_id);
                    }
                }
                Output::EndAgent(agent) => {
                    self.attached.remove(&agent);
                }
                Output::Monitor(channel, message) => {
                    assert!(self.greeted && channel == DLL, "{message:?}");
                    if let ToMonitor::Status(status) = message
                        && status.state() != CallState::Pending
                    {
                        let call = (status.instance, status.call);
                        assert!(self.begun.remove(&call), "{call:?} was answered twice, or never begun");
                    }
                }
                Output::CloseChannel(_) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_calls_are_answered_once_and_nothing_is_left(played in prop::collection::vec(moves(), 0..120)) {
        let (mut bench, mut sides) = (Bench::new(), Sides::default());
        for next in played {
            play(&mut bench, &mut sides, next);
            sides.hear(std::mem::take(&mut bench.said));
            let holders = bench.registry.workloads.values().filter_map(super::super::Workload::attached);
            let holders: Vec<_> = holders.collect();
            prop_assert!(holders.iter().all(|holder| sides.attached.contains(holder)));
            prop_assert!(bench.registry.next_deadline().is_none_or(|next| next > bench.now), "a deadline has passed");
            let open: usize = bench.registry.instances.values().map(|instance| instance.calls.len()).sum();
            prop_assert_eq!(open, bench.registry.calls.len());
        }
        // What has begun ends by itself, as long as the DLL is there.
        if sides.greeted {
            // Not what was begun of a resource that is not open, which was refused, or for a second time, which is over.
            let asked = |instance: &super::super::Instance| {
                instance.asked.as_ref().map(|asked| (instance.number, asked.number))
            };
            let open: BTreeSet<_> = bench.registry.instances.values().filter_map(asked).collect();
            sides.begun.retain(|call| open.contains(call));
            bench.pass(ms(5 * 60 * 1_000));
            sides.hear(std::mem::take(&mut bench.said));
            prop_assert!(sides.begun.is_empty(), "{:?} have no answer", sides.begun);
        }
        // And when all have gone, nothing is left.
        bench.disconnect();
        for agent in 1..4 {
            bench.gone(AgentId(agent));
        }
        bench.pass(ms(60 * 60 * 1_000));
        let registry = &bench.registry;
        prop_assert!(registry.instances.is_empty() && registry.workloads.is_empty() && registry.by_name.is_empty());
        prop_assert!(registry.monitors.is_empty() && registry.channels.is_empty() && registry.agents.is_empty());
        prop_assert!(registry.calls.is_empty() && registry.timers.is_empty());
    }
}

fn play(bench: &mut Bench, sides: &mut Sides, next: Move) {
    match next {
        Move::Hello(_) if sides.greeted => {}
        Move::Hello(monitor) => {
            sides.greeted = true;
            // Nothing is under way for a DLL that has just been loaded, or that does not tell it again.
            sides.begun.clear();
            bench.hello(DLL, &monitor.to_string());
        }
        Move::Disconnect => {
            bench.disconnect();
            sides.greeted = false;
        }
        Move::Attach(agent, lease, stand_by) => {
            let agent = AgentId(agent);
            if !sides.attached.insert(agent) {
                return;
            }
            let mut registration = registration(if lease { "lease" } else { "" });
            registration.stand_by = stand_by;
            if bench.attach(agent, registration).is_err() {
                sides.attached.remove(&agent);
            }
        }
        Move::Gone(agent) => {
            bench.gone(AgentId(agent));
            sides.attached.remove(&AgentId(agent));
        }
        Move::Answer(agent, call, state) => {
            let agent = AgentId(agent);
            let given = sides.given.get(&agent).map_or(&[][..], Vec::as_slice);
            let Some(call) = given.iter().rev().nth(call).cloned() else {
                return;
            };
            if sides.attached.contains(&agent) {
                let status = v1::WorkloadStatus {
                    call_id: call,
                    state,
                    ..v1::WorkloadStatus::default()
                };
                bench.status(agent, status);
            }
        }
        Move::Health(agent, healthy) if sides.attached.contains(&AgentId(agent)) => {
            bench.healthy(AgentId(agent), "", healthy);
        }
        Move::Health(..) => {}
        Move::Pass(milliseconds) => bench.pass(ms(milliseconds)),
        _ if !sides.greeted => {}
        Move::Opened(instance, online, again) => {
            if !again {
                sides.begun.retain(|(other, _)| *other != instance);
            }
            let state = if online {
                resource_state::ONLINE
            } else {
                resource_state::OFFLINE
            };
            bench.opened(instance, state, again);
        }
        Move::Begun(instance, online, again) => {
            sides.numbers += u64::from(!again);
            // An instance has one call at a time.
            sides.begun.retain(|(other, _)| *other != instance);
            sides.begun.insert((instance, sides.numbers));
            let kind = if online { CallKind::Online } else { CallKind::Offline };
            bench.begun(instance, sides.numbers, kind, again);
        }
        Move::Told(instance, state) => {
            let told = Told {
                instance,
                call: sides.numbers,
                native_state: state,
                exit_state: Some(0),
                ..Told::default()
            };
            if state != resource_state::ONLINE_PENDING {
                sides.begun.remove(&(instance, sides.numbers));
            }
            bench.from(DLL, FromMonitor::Told(told));
        }
        Move::Terminated(instance) => {
            sides.begun.retain(|(other, _)| *other != instance);
            bench.terminated(instance, 0);
        }
        Move::Closed(instance) => {
            sides.begun.retain(|(other, _)| *other != instance);
            bench.closed(instance);
        }
    }
}
