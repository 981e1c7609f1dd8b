//! Who may call what, as far as the settings say it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_proto::v1::Permission;

use super::{BearerIssuer, Settings, Unfit, bearer};
use crate::access::policy::{ADMINISTRATOR, Binding, OPERATOR, VIEWER};

/// Who may call what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// The role of callers from the daemon's own host who show nothing. Absent: `administrator` when a simulated world is
    /// served, whose loss harms nobody, and none otherwise.
    pub loopback_role: Option<String>,
    /// The role of callers from anywhere who show nothing. Absent: none. When set, everybody who reaches the address has
    /// it, which is a warning and an event at each start.
    pub unauthenticated_role: Option<String>,
    /// Roles of one's own, by their names.
    pub roles: BTreeMap<String, Role>,
    /// Who has which role, beside what was granted while the daemon ran.
    pub bindings: Vec<Binding>,
    /// Whose bearer tokens are taken.
    pub bearer: Vec<BearerIssuer>,
}

/// A role of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The names of its permissions, such as `group_operate`.
    pub permissions: Vec<String>,
}

impl Access {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        for (name, role) in &self.roles {
            let field = || format!("access.roles.{name}");
            if [VIEWER, OPERATOR, ADMINISTRATOR].contains(&name.as_str()) {
                return Err(Unfit::Access {
                    field: field(),
                    fault: "is a built-in role".into(),
                });
            }
            for permission in &role.permissions {
                match Permission::of_name(permission) {
                    None | Some(Permission::Public | Permission::Authenticated) => {
                        return Err(Unfit::Access {
                            field: field(),
                            fault: format!("names {permission:?}, which is no permission"),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        let bound = self
            .bindings
            .iter()
            .map(|binding| ("access.bindings", Some(&binding.role)));
        let set = [
            ("access.loopback_role", self.loopback_role.as_ref()),
            ("access.unauthenticated_role", self.unauthenticated_role.as_ref()),
        ];
        for (field, role) in bound.chain(set) {
            let Some(role) = role else { continue };
            let built_in = [VIEWER, OPERATOR, ADMINISTRATOR].contains(&role.as_str());
            if !built_in && !self.roles.contains_key(role) {
                return Err(Unfit::Access {
                    field: field.into(),
                    fault: format!("names the role {role:?}, which there is not"),
                });
            }
        }
        for binding in &self.bindings {
            let subject = binding
                .subject
                .strip_suffix('*')
                .map_or_else(|| binding.subject.clone(), |beginning| format!("{beginning}*"));
            if crate::access::identity::Subject::new(&subject).is_none() {
                return Err(Unfit::Access {
                    field: "access.bindings".into(),
                    fault: format!(
                        "names the subject {:?}, which is none: write a kind, a colon and a name, such as \"uri:spiffe://example.org/ops\"",
                        binding.subject
                    ),
                });
            }
        }
        bearer::check(&self.bearer)
    }
}

impl Settings {
    /// The role of callers from the daemon's own host who show nothing.
    pub fn loopback_role(&self) -> Option<&str> {
        let simulated = self.cluster_api.simulate.as_ref().map(|_scenario| ADMINISTRATOR);
        self.access.loopback_role.as_deref().or(simulated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str) -> Result<(), String> {
        toml::from_str::<Access>(toml)
            .unwrap()
            .check()
            .map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(check(""), Ok(()));
        let good = "loopback_role = 'night'\n[roles.night]\npermissions = ['view']\n[[bindings]]\nsubject = 'uri:a*'\nrole = 'operator'";
        assert_eq!(check(good), Ok(()));
        for (toml, named) in [
            ("loopback_role = 'x'", "`access.loopback_role` names the role \"x\""),
            (
                "[roles.viewer]\npermissions = []",
                "`access.roles.viewer` is a built-in role",
            ),
            ("[roles.a]\npermissions = ['VIEW']", "`access.roles.a` names \"VIEW\""),
            (
                "[roles.a]\npermissions = ['public']",
                "`access.roles.a` names \"public\"",
            ),
            (
                "[[bindings]]\nsubject = 'alice'\nrole = 'viewer'",
                "`access.bindings` names the subject \"alice\"",
            ),
            (
                "[[bindings]]\nsubject = '*'\nrole = 'viewer'",
                "`access.bindings` names the subject \"*\"",
            ),
            (
                "[[bindings]]\nsubject = 'uri:a'\nrole = 'root'",
                "`access.bindings` names the role \"root\"",
            ),
        ] {
            let fault = check(toml).unwrap_err();
            assert!(fault.starts_with(named), "{fault}");
        }
    }
}
