//! `wsfcctl wait`.

use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use wsfc_client::v1::{InventoryObject, ObjectKind};
use wsfc_client::{Error, fields};

use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::ctrl_c;
use crate::names::{self, Named};
use crate::output;
use crate::session::Session;
use crate::tables;

/// What to wait for.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The kind of object, such as group or node.
    #[arg(value_parser = names::kind)]
    kind: ObjectKind,
    /// Its name or its id; none for the cluster and the quorum.
    #[arg(default_value = "", hide_default_value = true, add = complete::names_of_noun())]
    name: String,
    /// What shall hold: FIELD=VALUE, such as state=Online or owner=n2, with a field that `describe` shows; `exists`; or
    /// `gone`. May be repeated, and all must hold.
    #[arg(long = "for", value_name = "CONDITION", required = true)]
    conditions: Vec<Condition>,
}

/// What shall hold of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is no such object.
    Gone,
    /// There is such an object.
    Exists,
    /// A field has a value.
    Field { name: String, value: String },
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Self::Field {
                name: field_name(name.trim()),
                value: value.trim().to_owned(),
            }),
            None if text.eq_ignore_ascii_case("gone") => Ok(Self::Gone),
            None if text.eq_ignore_ascii_case("exists") => Ok(Self::Exists),
            _ => Err("write it as FIELD=VALUE, such as state=Online, or as gone or exists".to_owned()),
        }
    }
}

/// The field that a short name means.
fn field_name(typed: &str) -> String {
    match typed.to_lowercase().as_str() {
        "owner" => "owner_node".to_owned(),
        other => other.to_owned(),
    }
}

impl Condition {
    fn holds(&self, object: Option<&InventoryObject>) -> bool {
        match (self, object) {
            (Self::Gone, object) => object.is_none(),
            (Self::Exists, object) => object.is_some(),
            (Self::Field { .. }, None) => false,
            (Self::Field { name, value }, Some(object)) => tables::fields(object)
                .iter()
                .any(|field| fields::is_same(&field.name, name) && fields::is_same(&field.text, value)),
        }
    }

    /// The name of a field that the kind lacks, so that the condition can never hold.
    fn unknown_field(&self, object: Option<&InventoryObject>) -> Option<&str> {
        let (Self::Field { name, .. }, Some(object)) = (self, object) else {
            return None;
        };
        let known = tables::fields(object)
            .iter()
            .any(|field| fields::is_same(&field.name, name));
        (!known).then_some(name.as_str())
    }
}

pub(crate) async fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let named = Named {
        kind: arguments.kind,
        name: arguments.name.clone(),
    };
    let alone = matches!(named.kind, ObjectKind::Cluster | ObjectKind::Quorum);
    if named.name.is_empty() && !alone {
        return Err(Failure::Usage(format!("name the {}", names::one(named.kind))));
    }
    let action = format!("wait for {named}");
    // There is one cluster in a cluster; what is named is which.
    let cluster = if named.kind == ObjectKind::Cluster {
        session.cluster_or(&named.name)?
    } else {
        session.cluster()?
    };
    let name = if alone { String::new() } else { named.name.clone() };
    let client = session.connect(&action).await?;
    let patience = session.globals.timeout.unwrap_or(Duration::MAX);
    let mut unknown = None;
    let mut stands = String::new();
    let condition = |object: Option<&InventoryObject>| {
        stands = standing(&arguments.conditions, object);
        unknown = arguments
            .conditions
            .iter()
            .find_map(|condition| condition.unknown_field(object))
            .map(ToOwned::to_owned);
        unknown.is_some() || arguments.conditions.iter().all(|condition| condition.holds(object))
    };
    let waited = tokio::select! {
        biased;
        () = ctrl_c() => return Ok(Exit::CtrlC),
        waited = client.wait_for(cluster, named.kind, name, condition, patience) => waited,
    };
    if let Some(field) = unknown {
        return Err(Failure::Usage(format!(
            "a {} has no field {field}",
            names::one(named.kind)
        )));
    }
    match waited {
        Ok(found) => {
            show(session, &named, found.as_ref())?;
            Ok(Exit::Ok)
        }
        Err(Error::TimedOut {
            method: "Watch", after, ..
        }) => {
            let err = &mut session.terminal.err;
            let after = humantime::format_duration(after);
            writeln!(
                err,
                "error: cannot {action}: what was asked for did not hold within {after}{stands}"
            )?;
            Ok(Exit::NotInTime)
        }
        Err(source) => Err(Failure::Call { action, source }),
    }
}

/// How the fields stand that conditions are about, as the end of a sentence.
fn standing(conditions: &[Condition], object: Option<&InventoryObject>) -> String {
    let Some(object) = object else {
        return "; it is not there".to_owned();
    };
    let all = tables::fields(object);
    let asked = conditions.iter().filter_map(|condition| match condition {
        Condition::Field { name, .. } => all.iter().find(|field| fields::is_same(&field.name, name)),
        Condition::Gone | Condition::Exists => None,
    });
    asked
        .map(|field| format!("; {} is {:?}", fields::words(&field.name), field.text))
        .collect()
}

/// Shows the object as it is when the conditions hold.
fn show(session: &mut Session<'_>, named: &Named, found: Option<&InventoryObject>) -> Result<(), Failure> {
    let out = &mut session.terminal.out;
    let Some(object) = found else {
        writeln!(session.terminal.err, "There is no {named}.")?;
        return Ok(());
    };
    let write = |out: &mut dyn Write, wide| tables::objects(out, named.kind, [object], wide);
    output::value_answer(out, session.globals.output, &output::alone(object)?, write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::samples::group;

    fn condition(text: &str) -> Condition {
        text.parse().unwrap()
    }

    #[test]
    fn what_did_not_come_to_hold_is_told_with_how_it_stands() {
        let asked = [condition("state=Offline"), condition("gone"), condition("owner=n9")];
        let group = group("SQL", 4, "N2");
        let told = standing(&asked, Some(&group));
        assert!(told.starts_with("; state is \""), "{told}");
        assert!(told.contains("; owner node is \""), "{told}");
        assert_eq!(standing(&asked, None), "; it is not there");
    }

    #[test]
    fn conditions_are_read_as_people_write_them() {
        assert_eq!(condition("Gone"), Condition::Gone);
        assert_eq!(
            condition("owner=n2"),
            Condition::Field {
                name: "owner_node".to_owned(),
                value: "n2".to_owned()
            }
        );
        for wrong in ["", "=x", "online"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn conditions_hold_whatever_the_spelling() {
        let sql = group("SQL", 4, "N2");
        for holding in [
            "state=PartialOnline",
            "state=partial-online",
            "Owner=n2",
            "priority=2000",
            "exists",
            "core=no",
        ] {
            assert!(condition(holding).holds(Some(&sql)), "{holding}");
            assert!(!condition(holding).holds(None), "{holding}");
        }
        assert!(!condition("state=online").holds(Some(&sql)));
        assert!(condition("gone").holds(None) && !condition("gone").holds(Some(&sql)));
    }

    #[test]
    fn a_field_that_is_not_there_is_not_waited_for() {
        let sql = group("SQL", 1, "n1");
        assert_eq!(condition("stat=online").unknown_field(Some(&sql)), Some("stat"));
        assert_eq!(condition("state=online").unknown_field(Some(&sql)), None);
        assert_eq!(condition("stat=online").unknown_field(None), None);
    }
}
