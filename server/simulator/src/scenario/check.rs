//! What a scenario may say, beyond what its types already enforce.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use super::Scenario;
use crate::release::Release;
use crate::script;

/// Why a scenario was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("scenario file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not TOML.
    #[error("scenario is not valid TOML")]
    Syntax(#[source] toml::de::Error),
    /// A field is unknown, missing or of the wrong type.
    #[error("scenario field {path} is wrong")]
    Field {
        /// The path of the field, for example `machines[2].os`.
        path: String,
        /// What is wrong.
        source: toml::de::Error,
    },
    /// A field contradicts another or lies out of range.
    #[error("scenario field {path}: {problem}")]
    Invalid {
        /// The path of the field.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// No built-in scenario has this name.
    #[error("no built-in scenario is called {name:?}; there are \"default\", \"demo\", \"large\" and \"production\"")]
    NoSuchBuiltin {
        /// The name that was asked for.
        name: String,
    },
}

pub(super) fn invalid(path: impl Into<String>, problem: impl Into<String>) -> ScenarioError {
    ScenarioError::Invalid {
        path: path.into(),
        problem: problem.into(),
    }
}

impl Scenario {
    /// Checks what the types cannot say. A scenario built in code is checked when its simulation is made.
    ///
    /// # Errors
    ///
    /// The first contradiction, with the path of its field.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.check_settings()?;
        self.check_networks()?;
        self.check_machines()?;
        self.check_disks()?;
        self.check_clusters()?;
        for (position, fault) in self.faults.iter().enumerate() {
            fault
                .check()
                .map_err(|problem| invalid(format!("faults[{position}]"), problem))?;
        }
        self.check_incidents()?;
        for (position, recording) in self.recordings.iter().enumerate() {
            recording
                .check()
                .map_err(|problem| invalid(format!("recordings[{position}]"), problem))?;
        }
        Ok(())
    }

    /// Machines and networks must be there; resources may be made later.
    fn check_incidents(&self) -> Result<(), ScenarioError> {
        for (position, planned) in self.incidents.iter().enumerate() {
            let is_machine = |name: &&str| {
                self.machines
                    .iter()
                    .any(|machine| machine.name.eq_ignore_ascii_case(name))
            };
            if let Some(name) = planned.incident.machines().into_iter().find(|name| !is_machine(name)) {
                return Err(invalid(
                    format!("incidents[{position}]"),
                    format!("no machine is called {name:?}"),
                ));
            }
            let is_network = |name: &&str| {
                self.networks
                    .iter()
                    .any(|network| network.name.eq_ignore_ascii_case(name))
            };
            if let Some(name) = planned.incident.network().filter(|name| !is_network(name)) {
                return Err(invalid(
                    format!("incidents[{position}]"),
                    format!("no network is called {name:?}"),
                ));
            }
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<(), ScenarioError> {
        if !self.timing.scale.is_finite() || self.timing.scale < 0.0 || self.timing.scale > 1_000.0 {
            return Err(invalid("timing.scale", "must be a number from 0 to 1000"));
        }
        for phase in self.timing.phases.keys() {
            if script::phase_number(phase).is_none() {
                return Err(invalid(
                    format!("timing.phases.{phase}"),
                    "is neither the name nor the number of a phase",
                ));
            }
        }
        if self
            .form_at_level
            .is_some_and(|level| Release::of_level(level).is_none())
        {
            return Err(invalid("form_at_level", "must be 8 (2012 R2) to 12 (2025)"));
        }
        for (position, name) in self.functions_absent.iter().enumerate() {
            if !crate::slots::is_function(name) {
                return Err(invalid(
                    format!("functions_absent[{position}]"),
                    format!("no function is called {name:?}"),
                ));
            }
        }
        for (position, dll) in self.resource_dlls.iter().enumerate() {
            if dll.name.is_empty() || dll.name.contains(['/', '\\']) {
                return Err(invalid(
                    format!("resource_dlls[{position}].name"),
                    "must be the name of a file without a folder",
                ));
            }
        }
        Ok(())
    }

    fn check_networks(&self) -> Result<(), ScenarioError> {
        let mut names = BTreeSet::new();
        for (position, network) in self.networks.iter().enumerate() {
            let longest = if network.subnet.is_ipv4() { 32 } else { 128 };
            if network.prefix > longest {
                return Err(invalid(
                    format!("networks[{position}].prefix"),
                    format!("is at most {longest}"),
                ));
            }
            if !names.insert(network.name.to_lowercase()) {
                return Err(invalid(
                    format!("networks[{position}].name"),
                    "is the name of an earlier network",
                ));
            }
        }
        Ok(())
    }

    fn check_machines(&self) -> Result<(), ScenarioError> {
        if self.machines.is_empty() {
            return Err(invalid("machines", "must name at least one machine"));
        }
        let mut names = BTreeSet::new();
        for (position, machine) in self.machines.iter().enumerate() {
            let path = format!("machines[{position}]");
            if !is_host_name(&machine.name) {
                return Err(invalid(
                    format!("{path}.name"),
                    "must be 1 to 63 letters, digits or hyphens",
                ));
            }
            if !names.insert(machine.name.to_lowercase()) {
                return Err(invalid(format!("{path}.name"), "is the name of an earlier machine"));
            }
            self.check_in_networks(
                &format!("{path}.addresses"),
                machine.addresses.as_deref().unwrap_or_default(),
            )?;
        }
        match &self.local {
            Some(local) if !names.contains(&local.to_lowercase()) => {
                Err(invalid("local", "is not the name of a machine"))
            }
            _ => Ok(()),
        }
    }

    fn check_disks(&self) -> Result<(), ScenarioError> {
        let mut names = BTreeSet::new();
        for (position, disk) in self.disks.iter().enumerate() {
            let path = format!("disks[{position}]");
            if disk.name.is_empty() || !names.insert(disk.name.to_lowercase()) {
                return Err(invalid(format!("{path}.name"), "must be a name of its own"));
            }
            let is_machine = |name: &String| {
                let mut machines = self.machines.iter();
                machines.any(|machine| machine.name.eq_ignore_ascii_case(name))
            };
            if !disk.machines.iter().flatten().all(is_machine) {
                return Err(invalid(format!("{path}.machines"), "names a machine that is not there"));
            }
        }
        Ok(())
    }

    fn check_clusters(&self) -> Result<(), ScenarioError> {
        let mut names = BTreeSet::new();
        let mut members = BTreeSet::new();
        for (position, cluster) in self.clusters.iter().enumerate() {
            let path = format!("clusters[{position}]");
            if !is_host_name(&cluster.name) {
                return Err(invalid(
                    format!("{path}.name"),
                    "must be 1 to 63 letters, digits or hyphens",
                ));
            }
            if !names.insert(cluster.name.to_lowercase()) {
                return Err(invalid(format!("{path}.name"), "is the name of an earlier cluster"));
            }
            if cluster.nodes.is_empty() {
                return Err(invalid(format!("{path}.nodes"), "must name at least one machine"));
            }
            for (index, node) in cluster.nodes.iter().enumerate() {
                let path = format!("{path}.nodes[{index}]");
                let Some(machine) = self
                    .machines
                    .iter()
                    .find(|machine| machine.name.eq_ignore_ascii_case(node))
                else {
                    return Err(invalid(path, "is not the name of a machine"));
                };
                if !machine.feature_installed || machine.already_clustered || !members.insert(node.to_lowercase()) {
                    return Err(invalid(path, "cannot be a node: no feature, or in another cluster"));
                }
            }
            if cluster
                .functional_level
                .is_some_and(|level| Release::of_level(level).is_none())
            {
                return Err(invalid(
                    format!("{path}.functional_level"),
                    "must be 8 (2012 R2) to 12 (2025)",
                ));
            }
            self.check_in_networks(&format!("{path}.addresses"), &cluster.addresses)?;
            self.check_contents(&path, cluster)?;
        }
        Ok(())
    }

    fn check_in_networks(&self, path: &str, addresses: &[IpAddr]) -> Result<(), ScenarioError> {
        match addresses
            .iter()
            .position(|address| !self.networks.iter().any(|network| network.contains(*address)))
        {
            Some(index) => Err(invalid(format!("{path}[{index}]"), "lies in none of the networks")),
            None => Ok(()),
        }
    }
}

/// True for one DNS label of ASCII letters, digits and inner hyphens.
pub(crate) fn is_host_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Scenario::from_toml(text).unwrap_err().to_string()
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn builtin_scenarios_are_valid() {
        for (name, _) in Scenario::BUILTIN {
            Scenario::builtin(name).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        assert!(Scenario::builtin("none").unwrap_err().to_string().contains("\"none\""));
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn an_error_names_its_field() {
        assert!(problem("machines = [{ name = 'a', os = '1999' }]").contains("machines[0].os"));
        assert!(problem("machines = [{ name = 'a', colour = 1 }]").contains("machines[0]"));
        assert!(problem("machines = [{ name = 'a' }, { name = 'A' }]").contains("machines[1].name"));
        assert!(problem("local = 'b'\nmachines = [{ name = 'a' }]").contains("local"));
        assert!(problem("[timing.phases]\nNoPhase = 1").contains("timing.phases.NoPhase"));
        assert!(problem("[timing]\nscale = -1.0").contains("timing.scale"));
        assert!(problem("form_at_level = 99").contains("form_at_level"));
        assert!(problem("functions_absent = ['Nonsense']").contains("functions_absent[0]"));
        let kill = "incidents = [{ at_ms = 1, kind = 'kill_monitor', resource_type = 'X', node = 'zz' }]";
        assert!(problem(&format!("{kill}\nmachines = [{{ name = 'a' }}]")).contains("no machine is called \"zz\""));
        assert!(problem("resource_dlls = [{ name = '/a/b.dll', path = '/a/b.so' }]").contains("resource_dlls[0].name"));
        assert!(problem("").contains("machines"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn a_contradictory_fault_is_refused() {
        let text = "machines = [{ name = 'a' }]\n[[faults]]\nphase = 200\nseverity = 'fatal'";
        assert!(problem(text).contains("faults[0]"), "{}", problem(text));
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn incidents_name_what_is_there() {
        let scenario = |incident: &str| format!("machines = [{{ name = 'a' }}]\n[[incidents]]\nat_ms = 5\n{incident}");
        let planned = Scenario::from_toml(&scenario("kind = 'fail_resource'\nresource = 'r'\nmore = 2")).unwrap();
        assert_eq!(planned.incidents[0].at_ms, 5);
        for (incident, part) in [
            ("kind = 'kill_machine'\nmachine = 'b'", "incidents[0]"),
            ("kind = 'network_down'\nnetwork = 'n'", "incidents[0]"),
            ("kind = 'meteor'", "incidents"),
            ("kind = 'kill_machine'\nmachine = 'a'\ncolour = 1", "incidents"),
        ] {
            assert!(
                problem(&scenario(incident)).contains(part),
                "{}",
                problem(&scenario(incident))
            );
        }
    }

    #[test]
    fn prefixes_select_addresses() {
        let network = |subnet: &str, prefix| super::super::Network {
            name: "x".into(),
            subnet: subnet.parse().unwrap(),
            prefix,
        };
        assert!(network("10.0.0.0", 24).contains("10.0.0.7".parse().unwrap()));
        assert!(!network("10.0.0.0", 24).contains("10.0.1.7".parse().unwrap()));
        assert!(network("0.0.0.0", 0).contains("200.1.1.7".parse().unwrap()));
        assert!(network("fd00::", 64).contains("fd00::9".parse().unwrap()));
        assert!(!network("fd00::", 64).contains("10.0.0.1".parse().unwrap()));
    }
}
