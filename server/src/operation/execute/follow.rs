//! Following: a call that was accepted goes on in the cluster, and is watched until it has come to its end.
//!
//! Notifications tell of each state on the way; a read every two seconds is the net for those that get lost. The port
//! is made before the call, since there is no replay (facts 4.1).

use std::time::{Duration, SystemTime};

use wsfc_clusapi::notify::{Filter, Notification, NotifyPort, payload};
use wsfc_clusapi::sys::constants::{notify_cluster, notify_group, notify_node, notify_object, notify_resource};
use wsfc_clusapi::{Error, Group, Node, Resource};
use wsfc_proto::reasons;
use wsfc_proto::v1::{DrainState, ObjectKind, ObjectStateChanged, OperationState};

use super::scene::{End, Run, Scene};
use super::states;

/// How long one wait at the port is, so that a cancellation is seen soon.
const WAIT: Duration = Duration::from_millis(250);
/// How often the state is read though nothing was told.
const READ: Duration = Duration::from_secs(2);
/// How long a bad end must last before it is believed: the cluster restarts a failed resource after a delay, and then
/// fails it over (facts 5.2).
const LASTING: Duration = Duration::from_secs(2);
/// How long a call may take to show in the state of its object. Guess: servers show it at once.
const GRACE: Duration = Duration::from_secs(5);

/// What a state means to the verb.
pub(super) enum Verdict {
    /// It goes on.
    OnTheWay,
    /// This is what was asked for.
    Reached,
    /// It has ended elsewhere, if it stays so.
    Short,
}

/// How the following ended.
pub(super) enum Followed {
    /// With what was asked for.
    Reached(ObjectStateChanged),
    /// Elsewhere.
    Short(ObjectStateChanged),
    /// Not in time; the cluster goes on.
    TimedOut(ObjectStateChanged),
    /// By a cancellation.
    Cancelled(ObjectStateChanged),
}

/// A port for the changes of one object. Without one the state is only read.
pub(super) struct Watch(Option<NotifyPort>);

/// The objects that can be followed.
pub(super) enum Followable<'a> {
    Group(&'a Group),
    Resource(&'a Resource),
    Node(&'a Node),
}

impl Watch {
    /// Makes the port. A cluster that gives none is no reason not to make the call.
    pub(super) fn on(scene: &Scene<'_>, object: &Followable<'_>) -> Self {
        // A port wants a filter; the end of the connection is told by the client's own side (facts 4.2).
        let connection = Filter {
            object_type: notify_object::CLUSTER,
            flags: notify_cluster::HANDLE_CLOSE,
        };
        let port = scene.cluster.notify_port(&[connection]).and_then(|port| {
            match object {
                Followable::Group(group) => group.watch(&port, notify_group::STATE | notify_group::OWNER_NODE, 0)?,
                Followable::Resource(resource) => resource.watch(&port, notify_resource::STATE, 0)?,
                Followable::Node(node) => node.watch(&port, notify_node::STATE | notify_node::COMMON_PROPERTY, 0)?,
            }
            Ok(port)
        });
        Self(
            port.inspect_err(
                |error| tracing::debug!(%error, "No port for the changes of the object; its state is read"),
            )
            .ok(),
        )
    }

    /// Waits for a change; nothing if none came in a while.
    fn next(&mut self) -> Option<Notification> {
        if self.0.is_none() {
            std::thread::park_timeout(WAIT);
        }
        self.within(WAIT)
    }

    /// A change that has been told already.
    fn queued(&mut self) -> Option<Notification> {
        self.within(Duration::ZERO)
    }

    fn within(&mut self, wait: Duration) -> Option<Notification> {
        match self.0.as_mut()?.next(wait) {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(%error, "The port for the changes of the object is lost; its state is read");
                self.0 = None;
                None
            }
        }
    }
}

/// What the following needs to know.
pub(super) struct Course<'c> {
    /// Where the object stood before the call.
    pub(super) before: ObjectStateChanged,
    /// Reads where it stands.
    pub(super) read: &'c dyn Fn() -> Result<ObjectStateChanged, Error>,
    /// Judges a state.
    pub(super) judge: &'c dyn Fn(&ObjectStateChanged) -> Verdict,
    /// Asks the cluster to stop; absent where it cannot.
    pub(super) cancel: Option<&'c dyn Fn() -> Result<(), Error>>,
}

/// The state that a call has asked for, and what it may pass through on the way.
pub(super) struct Goal<'g> {
    /// What is done, for people: "Bringing group \"Files\" online".
    pub(super) what: &'g str,
    /// The native number of the state.
    pub(super) wished: i32,
    /// Those of the states on the way.
    pub(super) on_the_way: &'g [i32],
}

/// Follows an object to a state, and says what came of it; `short` words a bad end.
pub(super) fn follow_to(
    scene: &Scene<'_>,
    watch: Watch,
    before: ObjectStateChanged,
    read: &dyn Fn() -> Result<ObjectStateChanged, Error>,
    goal: &Goal<'_>,
    short: impl FnOnce(&ObjectStateChanged) -> Result<End, Error>,
) -> Run {
    let judge = |seen: &ObjectStateChanged| match seen.native_state {
        Some(state) if state == goal.wished => Verdict::Reached,
        Some(state) if goal.on_the_way.contains(&state) => Verdict::OnTheWay,
        Some(_) | None => Verdict::Short,
    };
    let course = Course {
        before,
        read,
        judge: &judge,
        cancel: None,
    };
    Ok(follow(scene, watch, course)?.end(goal.what, scene, short)?)
}

/// Follows an object until its verb has come to an end.
pub(super) fn follow(scene: &Scene<'_>, mut watch: Watch, course: Course<'_>) -> Result<Followed, Error> {
    let begin = scene.clock.now();
    let since = |then: SystemTime| scene.clock.now().duration_since(then).unwrap_or_default();
    let mut last = course.before;
    let mut changed: Option<SystemTime> = None;
    let mut read_at: Option<SystemTime> = None;
    let mut cancelled = false;
    loop {
        if read_at.is_none_or(|at| since(at) >= READ) {
            // What it has passed through already, which the state that is read next would hide.
            while let Some(told) = watch.queued() {
                take_in(scene, &told, &mut last, &mut changed);
            }
            match (course.read)() {
                Ok(seen) => {
                    if seen != last {
                        scene.tell(&seen);
                        changed = Some(scene.clock.now());
                        last = seen;
                    }
                    match (course.judge)(&last) {
                        Verdict::Reached => return Ok(Followed::Reached(last)),
                        Verdict::Short if ended(changed.map(since), since(begin)) => {
                            return Ok(if cancelled {
                                Followed::Cancelled(last)
                            } else {
                                Followed::Short(last)
                            });
                        }
                        Verdict::Short | Verdict::OnTheWay => {}
                    }
                }
                // The node that was asked may just have gone; the connection finds another one.
                Err(error) if is_passing(&error) => tracing::debug!(%error, "The state could not be read"),
                Err(error) => return Err(error),
            }
            read_at = Some(scene.clock.now());
        }
        if since(begin) >= scene.limit {
            return Ok(Followed::TimedOut(last));
        }
        if let Some(cancel) = course.cancel.filter(|_| !cancelled && scene.cancel_asked()) {
            cancelled = true;
            if let Err(error) = cancel() {
                tracing::warn!(%error, "The cluster does not cancel the operation");
            }
        }
        if let Some(told) = watch.next() {
            take_in(scene, &told, &mut last, &mut changed);
            // Whatever was told, the state decides.
            read_at = None;
        } else if matches!((course.judge)(&last), Verdict::Short) {
            // Nothing has happened for a while: look whether it lasts.
            read_at = read_at.filter(|at| since(*at) < LASTING);
        }
    }
}

/// Records the state that a notification tells, if it is another.
fn take_in(scene: &Scene<'_>, told: &Notification, last: &mut ObjectStateChanged, changed: &mut Option<SystemTime>) {
    if let Some(seen) = told_state(told, last)
        && seen != *last
    {
        scene.tell(&seen);
        *changed = Some(scene.clock.now());
        *last = seen;
    }
}

/// Whether a bad end is one: it has lasted, and the call has had time to show.
fn ended(unchanged_for: Option<Duration>, begun_for: Duration) -> bool {
    match unchanged_for {
        Some(unchanged) => unchanged >= LASTING,
        None => begun_for >= GRACE,
    }
}

/// The state that an event tells, if it tells one (facts 4.3).
fn told_state(told: &Notification, last: &ObjectStateChanged) -> Option<ObjectStateChanged> {
    let (state, name): (i64, fn(i32) -> String) = match last.kind() {
        ObjectKind::Group => (notify_group::STATE, states::group_state),
        ObjectKind::Resource => (notify_resource::STATE, states::resource_state),
        ObjectKind::Node => (notify_node::STATE, states::node_state),
        _others => return None,
    };
    if told.flag != state {
        return None;
    }
    let native = payload::state(&told.payload)?;
    Some(ObjectStateChanged {
        native_state: Some(native),
        state: name(native),
        ..last.clone()
    })
}

/// Errors of a connection that is being made anew (facts 2.7).
fn is_passing(error: &Error) -> bool {
    error
        .code()
        .is_some_and(|code| matches!(code.0, 1115 | 1717 | 1722 | 1726 | 1727 | 1753 | 5050 | 5051 | 5925))
}

impl Followed {
    /// The end of a verb, in words for what was asked; `short` says what a bad end means.
    pub(super) fn end(
        self,
        what: &str,
        scene: &Scene<'_>,
        short: impl FnOnce(&ObjectStateChanged) -> Result<End, Error>,
    ) -> Result<End, Error> {
        Ok(match self {
            Self::Reached(state) => End::done(format!("{what}: {}.", in_words(&state))).at(state),
            Self::Short(state) => short(&state)?.at(state),
            Self::TimedOut(state) => End::failed(
                reasons::TIMED_OUT,
                format!(
                    "{what}: not done within {}; {}. The cluster goes on with it.",
                    humantime::format_duration(scene.limit),
                    in_words(&state)
                ),
            )
            .at(state),
            Self::Cancelled(state) => End {
                state: OperationState::Cancelled,
                reason: reasons::OPERATION_CANCELLED.into(),
                message: format!("{what}: cancelled in the cluster; {}.", in_words(&state)),
                ..End::default()
            }
            .at(state),
        })
    }
}

/// A state in words.
pub(super) fn in_words(state: &ObjectStateChanged) -> String {
    let mut words = format!(
        "{:?} is {}",
        state.name,
        if state.state.is_empty() {
            "UNKNOWN"
        } else {
            &state.state
        }
    );
    if !state.owner_node.is_empty() {
        words = format!("{words} on {}", state.owner_node);
    }
    match state.drain_state() {
        DrainState::Unspecified | DrainState::NotInitiated => words,
        drain => {
            let drain = drain.as_str_name().trim_start_matches("DRAIN_STATE_");
            format!("{words}, its drain {drain}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_end_must_last_and_a_call_has_time_to_show() {
        let second = Duration::from_secs(1);
        assert!(!ended(Some(second), 9 * second));
        assert!(ended(Some(LASTING), LASTING));
        assert!(!ended(None, second));
        assert!(ended(None, GRACE));
    }

    #[test]
    fn an_event_tells_the_state_of_its_kind_only() {
        let last = ObjectStateChanged {
            kind: ObjectKind::Group.into(),
            native_state: Some(1),
            owner_node: "n1".into(),
            ..Default::default()
        };
        let told = |flag, payload: &[u8]| Notification {
            object_type: 2,
            flag,
            key: 0,
            object_id: String::new(),
            parent_id: String::new(),
            name: String::new(),
            resource_type: String::new(),
            payload: payload.to_vec(),
        };
        let seen = told_state(&told(notify_group::STATE, &[4, 0, 0, 0]), &last).unwrap();
        assert_eq!((seen.native_state, seen.state.as_str()), (Some(4), "PENDING"));
        assert_eq!(seen.owner_node, "n1");
        assert_eq!(told_state(&told(notify_group::OWNER_NODE, &[4, 0, 0, 0]), &last), None);
        assert_eq!(told_state(&told(notify_group::STATE, &[]), &last), None);
    }
}
