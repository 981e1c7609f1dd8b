//! `wsfcctl property`.

use std::io::Write;

use clap::{Args, Subcommand};
use wsfc_client::property::{self, Changes};
use wsfc_client::v1::{GetPropertiesRequest, GetPropertiesResponse, PropertyClass, SetPropertiesRequest};

use crate::cli::StartFlags;
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::Named;
use crate::output;
use crate::session::Session;
use crate::start::start;
use crate::tables;

/// The verbs of `wsfcctl property`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show properties of an object, read from the cluster.
    Get(Get),
    /// Set properties of an object; those that are not named stay as they are.
    Set(Set),
}

/// Which properties.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The object: KIND/NAME, such as group/SQL or "resource/Cluster Name", or cluster.
    #[arg(value_parser = Named::parse, add = complete::named())]
    object: Named,
    /// Only these properties.
    names: Vec<String>,
    /// The private properties, instead of the common ones.
    #[arg(long)]
    private: bool,
}

/// What to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The object: KIND/NAME, such as group/SQL or "resource/Cluster Name", or cluster.
    #[arg(value_parser = Named::parse, add = complete::named())]
    object: Named,
    /// NAME=VALUE with the type of the present value, or NAME:TYPE=VALUE with a type of dword, sz, expand-sz, multi-sz
    /// (one string a line), binary (hexadecimal digits), ularge, long, large, word, filetime or security.
    #[arg(value_name = "NAME[:TYPE]=VALUE", value_parser = Assignment::parse, required_unless_present = "reset")]
    assignments: Vec<Assignment>,
    /// Reset this property to its default; may be repeated.
    #[arg(long, value_name = "NAME")]
    reset: Vec<String>,
    /// The private properties, instead of the common ones.
    #[arg(long)]
    private: bool,
    /// Only if the object has not changed since this revision, which `wsfcctl property get -o json` tells.
    #[arg(long, value_name = "REVISION")]
    expected_revision: Option<u64>,
    #[command(flatten)]
    start: StartFlags,
}

/// A value for a property as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    name: String,
    /// The type; `None` for that of the present value.
    type_name: Option<String>,
    text: String,
}

impl Assignment {
    fn parse(text: &str) -> Result<Self, String> {
        let (left, value) = text
            .split_once('=')
            .ok_or("write it as NAME=VALUE or NAME:TYPE=VALUE")?;
        let (name, type_name) = match left.rsplit_once(':') {
            Some((name, type_name)) => (name, Some(type_name.to_lowercase())),
            None => (left, None),
        };
        if name.is_empty() {
            return Err("name the property before the =".to_owned());
        }
        if let Some(unknown) = type_name.as_deref().filter(|name| !property::TYPES.contains(name)) {
            return Err(format!(
                "`{unknown}` is no type; one of: {}",
                property::TYPES.join(", ")
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            type_name,
            text: value.to_owned(),
        })
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Get(arguments) => get(arguments, session).await,
        Verb::Set(arguments) => set(arguments, session).await,
    }
}

fn class(private: bool) -> PropertyClass {
    if private {
        PropertyClass::Private
    } else {
        PropertyClass::Common
    }
}

async fn get(arguments: &Get, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("read properties of {}", arguments.object);
    let request = GetPropertiesRequest {
        cluster: session.cluster()?,
        kind: arguments.object.kind.into(),
        name: arguments.object.name.clone(),
        class: class(arguments.private).into(),
        names: arguments.names.clone(),
    };
    let client = session.connect(&action).await?;
    let answer = client
        .get_properties(request)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, _| tables::properties(out, &answer.properties);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn set(arguments: &Set, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("set properties of {}", arguments.object);
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let object = &arguments.object;
    let untyped = arguments.assignments.iter().any(|typed| typed.type_name.is_none());
    let present = if untyped {
        let request = GetPropertiesRequest {
            cluster: cluster.clone(),
            kind: object.kind.into(),
            name: object.name.clone(),
            class: class(arguments.private).into(),
            names: Vec::new(),
        };
        client.get_properties(request).await.map_err(|source| Failure::Call {
            action: action.clone(),
            source,
        })?
    } else {
        GetPropertiesResponse::default()
    };
    let mut changes = Changes::new(cluster, object.kind, &object.name);
    if arguments.private {
        changes = changes.private();
    }
    if let Some(revision) = arguments.expected_revision {
        changes = changes.expecting(revision);
    }
    for assignment in &arguments.assignments {
        let type_name = type_of(assignment, &present).map_err(Failure::Usage)?;
        let value = property::parse(&type_name, &assignment.text)
            .map_err(|error| Failure::Usage(format!("{}: {error}", assignment.name)))?;
        changes = changes.set(&assignment.name, value);
    }
    for name in &arguments.reset {
        changes = changes.reset(name);
    }
    start(session, &client, &arguments.start, &action, |options| {
        SetPropertiesRequest {
            properties: Some(changes.build()),
            options: Some(options),
        }
    })
    .await
}

/// The type that a value is read with.
fn type_of(assignment: &Assignment, present: &GetPropertiesResponse) -> Result<String, String> {
    if let Some(type_name) = &assignment.type_name {
        return Ok(type_name.clone());
    }
    let name = &assignment.name;
    let found = present
        .properties
        .iter()
        .find(|held| held.name.eq_ignore_ascii_case(name));
    let value = found.and_then(|held| held.value.as_ref()?.value.as_ref());
    value
        .map(|value| property::type_name(value).to_owned())
        .ok_or_else(|| format!("there is no property {name} whose type could be taken; write {name}:TYPE=VALUE"))
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::property_value::Value;
    use wsfc_client::v1::{Property, PropertyValue};

    use super::*;

    #[test]
    fn assignments_are_read() {
        let read = |text| Assignment::parse(text).map(|typed| (typed.name, typed.type_name, typed.text));
        assert_eq!(
            read("Priority=3000"),
            Ok(("Priority".to_owned(), None, "3000".to_owned()))
        );
        let typed = ("A:B".to_owned(), Some("dword".to_owned()), "x=1".to_owned());
        assert_eq!(read("A:B:DWORD=x=1"), Ok(typed));
        assert_eq!(
            read("Description="),
            Ok(("Description".to_owned(), None, String::new()))
        );
        for wrong in ["Priority", "=1", ":dword=1", "A:bool=1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_type_is_that_of_the_present_value_unless_it_is_written() {
        let present = GetPropertiesResponse {
            properties: vec![Property {
                name: "Priority".to_owned(),
                value: Some(PropertyValue {
                    value: Some(Value::Dword(1)),
                }),
                ..Default::default()
            }],
            ..Default::default()
        };
        let of = |text| type_of(&Assignment::parse(text).unwrap(), &present);
        assert_eq!(of("priority=2"), Ok("dword".to_owned()));
        assert_eq!(of("priority:sz=2"), Ok("sz".to_owned()));
        assert!(of("Other=2").unwrap_err().contains("write Other:TYPE=VALUE"));
    }
}
