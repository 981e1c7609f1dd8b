//! What can be made to go wrong, by call, phase and object.

use serde::{Deserialize, Serialize};

use crate::script;

/// One thing that goes wrong.
///
/// A fault with a `phase` acts while that phase of a setup or upgrade call runs. A fault without one acts when a call
/// begins: the call fails with `status`, or hangs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The C function, for example "CreateCluster". Default: any.
    pub call: Option<String>,
    /// The phase, by name ("FormingCluster", "ValidatingUpgrade") or number (200). Default: none, at the call's begin.
    pub phase: Option<Phase>,
    /// The object of the phase (node, address, group), case not regarded. Default: any.
    pub object: Option<String>,
    /// How the phase ends. Default: as it would.
    pub severity: Option<Severity>,
    /// The Win32 code or HRESULT that goes with it; never 0.
    pub status: Option<u32>,
    /// The phase or call hangs after its begin until `Simulation::release` or `Simulation::shutdown`. Default false.
    pub hang: bool,
    /// The call dies in the phase: Start without End, no clean-up, error 1726. Default false.
    pub dies: bool,
    /// This many Continue records between Start and End. Default none.
    pub burst: u32,
    /// The phase's callbacks come from a second thread. Default false.
    pub second_thread: bool,
    /// What the call hands out is damaged, as by a faulty server: for control codes, for the enumerations of groups
    /// and resources with property lists (the Open call), and for GetClusterNotifyV2. Without a phase. Default: not.
    pub damage: Option<Damage>,
    /// How often the fault acts. Default: always.
    pub times: Option<u32>,
}

/// How bytes are damaged on their way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Damage {
    /// The second half is missing.
    Truncated,
    /// The lengths inside, or beside it, are far too large.
    WildLengths,
    /// States are numbers that no state has.
    UnknownStates,
    /// One byte more than there should be.
    OddLength,
}

impl Damage {
    /// A state that no object has.
    pub(crate) const UNKNOWN_STATE: i32 = 77;

    /// Damages an answer or a payload.
    pub(crate) fn apply(self, bytes: &mut Vec<u8>) {
        const WILD: [u8; 4] = 0x7FFF_FFF0_u32.to_le_bytes();
        match self {
            Self::Truncated => bytes.truncate(bytes.len() / 2),
            Self::OddLength => bytes.push(0xA5),
            Self::UnknownStates => {
                if bytes.len() == 4 {
                    bytes.copy_from_slice(&Self::UNKNOWN_STATE.to_le_bytes());
                }
            }
            // In a property list the length of the first name stands there, in a value list that of the first value.
            Self::WildLengths => {
                for place in [8, 4, 0] {
                    if let Some(length) = bytes.get_mut(place..place + 4) {
                        length.copy_from_slice(&WILD);
                        break;
                    }
                }
            }
        }
    }
}

/// A phase in a scenario: a number, or a name of facts 1.5 or 1.7 without its prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Phase {
    /// The native number.
    Number(i32),
    /// The name.
    Name(String),
}

impl Phase {
    /// The native number; `None` for a name that no phase has.
    pub fn number(&self) -> Option<i32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => script::phase_number(name),
        }
    }
}

/// How bad the end of a phase is (facts 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The phase ends with a warning. What phases 204 and 205 would have made is missing afterwards.
    Warning,
    /// The phase cannot finish: clean-up follows, and the call fails with the status.
    Fatal,
}

impl Fault {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.phase.as_ref().is_some_and(|phase| phase.number().is_none()) {
            return Err("phase: no phase has this name".into());
        }
        if self.severity.is_some() != self.status.is_some() && self.phase.is_some() {
            return Err("status: a severity and a status belong together".into());
        }
        if self.status == Some(0) {
            return Err("status: 0 is success".into());
        }
        if self.phase.is_none() && self.call.is_none() {
            return Err("call: a fault without a phase must name its call".into());
        }
        if self
            .call
            .as_deref()
            .is_some_and(|call| !crate::slots::is_function(call))
        {
            return Err("call: no function has this name".into());
        }
        if self.damage.is_some() && (self.phase.is_some() || self.status.is_some() || self.hang) {
            return Err("damage: acts alone, without a phase".into());
        }
        if self.phase.is_none()
            && (self.severity.is_some() || self.dies || self.burst > 0 || self.second_thread || self.object.is_some())
        {
            return Err("phase: only status and hang act without a phase".into());
        }
        if self.severity.is_none() && !self.hang && !self.dies && self.burst == 0 && !self.second_thread {
            // A call's entry fails by its status alone.
            if self.phase.is_some() || (self.status.is_none() && self.damage.is_none()) {
                return Err("does nothing".into());
            }
        }
        Ok(())
    }

    fn matches(&self, call: &str, phase: Option<i32>, object: Option<&str>) -> bool {
        self.call.as_deref().is_none_or(|name| name == call)
            && self.phase.as_ref().and_then(Phase::number) == phase
            && self
                .object
                .as_deref()
                .is_none_or(|name| object.is_some_and(|object| object.eq_ignore_ascii_case(name)))
    }
}

/// What the faults that match one phase do together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The end of the phase, when a fault decides it; of several, the last.
    pub(crate) end: Option<(Severity, u32)>,
    /// The status of a call's entry.
    pub(crate) status: Option<u32>,
    pub(crate) hang: bool,
    pub(crate) dies: bool,
    pub(crate) burst: u32,
    pub(crate) second_thread: bool,
}

/// The faults of a world, each with what is left of its `times`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens here, now; uses up one `times` of each fault that matches.
    pub(crate) fn strike(&mut self, call: &str, phase: Option<i32>, object: Option<&str>) -> Effect {
        let mut effect = Effect::default();
        let here = |fault: &&mut Fault| fault.damage.is_none() && fault.matches(call, phase, object);
        for fault in self.0.iter_mut().filter(here) {
            match &mut fault.times {
                Some(0) => continue,
                Some(times) => *times -= 1,
                None => {}
            }
            if let (Some(severity), Some(status)) = (fault.severity, fault.status) {
                effect.end = Some((severity, status));
            }
            effect.status = fault.status.or(effect.status);
            effect.hang |= fault.hang;
            effect.dies |= fault.dies;
            effect.burst = effect.burst.saturating_add(fault.burst);
            effect.second_thread |= fault.second_thread;
        }
        effect
    }

    /// How what a call hands out is damaged now; uses up one `times` of the fault that says so.
    pub(crate) fn damage(&mut self, call: &str) -> Option<Damage> {
        let here = |fault: &&mut Fault| fault.call.as_deref() == Some(call) && fault.times != Some(0);
        let fault = self.0.iter_mut().filter(|fault| fault.damage.is_some()).find(here)?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        fault.damage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let fault = Fault {
            call: Some("CreateCluster".into()),
            phase: Some(Phase::Name("FormingCluster".into())),
            severity: Some(Severity::Fatal),
            status: Some(1066),
            times: Some(1),
            ..Fault::default()
        };
        fault.check().unwrap();
        let mut faults = Faults::new(vec![fault]);
        assert_eq!(faults.strike("AddClusterNode", Some(200), None), Effect::default());
        assert_eq!(faults.strike("CreateCluster", Some(201), None), Effect::default());
        assert_eq!(
            faults.strike("CreateCluster", Some(200), Some("c")).end,
            Some((Severity::Fatal, 1066))
        );
        assert_eq!(faults.strike("CreateCluster", Some(200), Some("c")), Effect::default());
    }

    #[test]
    fn an_object_narrows_a_fault() {
        let fault = Fault {
            phase: Some(Phase::Number(100)),
            object: Some("N2".into()),
            hang: true,
            ..Fault::default()
        };
        let mut faults = Faults::new(vec![fault]);
        assert!(!faults.strike("CreateCluster", Some(100), Some("n1")).hang);
        assert!(!faults.strike("CreateCluster", Some(100), None).hang);
        assert!(faults.strike("CreateCluster", Some(100), Some("n2")).hang);
    }
}
