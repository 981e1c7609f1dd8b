//! `wsfcctl registry`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use wsfc_client::registry::{Batch, Data};
use wsfc_client::v1::{ApplyRegistryBatchParameters, ApplyRegistryBatchRequest, ReadRegistryKeyResponse};
use wsfc_client::{Client, json, property};

use crate::cli::StartFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::output;
use crate::session::Session;
use crate::start::start;
use crate::tables;

/// The verbs of `wsfcctl registry`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show the keys and values of a key of the cluster database, or one of its values.
    Get {
        /// The key below the root, such as Groups\\1234 [default: the root].
        #[arg(
            id = "registry_key",
            value_name = "KEY",
            default_value = "",
            hide_default_value = true
        )]
        key: String,
        /// Only this value; "" is the default value.
        value: Option<String>,
    },
    /// Set a value.
    Set(Set),
    /// Delete a value.
    Delete(Delete),
    /// Create a key.
    CreateKey(Key),
    /// Delete a key with all that is in it; this cannot be undone.
    DeleteKey(DeleteKey),
    /// Carry out the commands of a file, all or none.
    Apply(Apply),
}

/// The value to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The key below the root; it must be there.
    #[arg(id = "registry_key", value_name = "KEY")]
    key: String,
    /// The name of the value; "" is the default value of the key.
    name: String,
    /// The data: text, a number, or hexadecimal digits for bytes. For multi-sz repeat it.
    #[arg(required = true, allow_hyphen_values = true)]
    data: Vec<String>,
    /// The type [default: that of the present value, else sz].
    #[arg(long = "type", value_name = "TYPE", value_parser = ["sz", "expand-sz", "multi-sz", "dword", "qword", "binary"])]
    value_type: Option<String>,
    #[command(flatten)]
    start: StartFlags,
}

/// The value to delete.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The key below the root.
    #[arg(id = "registry_key", value_name = "KEY")]
    key: String,
    /// The name of the value; "" is the default value of the key.
    name: String,
    #[command(flatten)]
    start: StartFlags,
}

/// The key to create.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The key below the root.
    #[arg(id = "registry_key", value_name = "KEY")]
    key: String,
    #[command(flatten)]
    start: StartFlags,
}

/// The key to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteKey {
    /// The key below the root.
    #[arg(id = "registry_key", value_name = "KEY")]
    key: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

/// The commands to carry out.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The file: ApplyRegistryBatchParameters as JSON, such as {"key": "Software", "commands": [{"type":
    /// "REGISTRY_COMMAND_TYPE_CREATE_KEY", "name": "Example"}]}.
    file: PathBuf,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Get { key, value } => get(key, value.as_deref(), session).await,
        Verb::Set(arguments) => set(arguments, session).await,
        Verb::Delete(arguments) => {
            let action = format!(
                "delete value {} of key {}",
                quoted(&arguments.name),
                quoted(&arguments.key)
            );
            let batch = Batch::new(session.cluster()?, &arguments.key).delete_value(&arguments.name);
            apply(session, &action, &arguments.start, batch.build()).await
        }
        Verb::CreateKey(arguments) => {
            let action = format!("create key {}", quoted(&arguments.key));
            let (parent, name) = split(&arguments.key)?;
            let batch = Batch::new(session.cluster()?, parent).create_key(name);
            apply(session, &action, &arguments.start, batch.build()).await
        }
        Verb::DeleteKey(arguments) => {
            let action = format!("delete key {}", quoted(&arguments.key));
            let (parent, name) = split(&arguments.key)?;
            let question = format!(
                "This deletes key {} of the cluster database with all that is in it. Go on?",
                quoted(&arguments.key)
            );
            let agreed = arguments.yes || arguments.start.validate_only;
            session.terminal.confirm(&question, agreed)?;
            let batch = Batch::new(session.cluster()?, parent).delete_key(name);
            apply(session, &action, &arguments.start, batch.build()).await
        }
        Verb::Apply(arguments) => {
            let batch = read(&arguments.file, session.cluster()?)?;
            let count = batch.commands.len();
            let action = format!("apply {count} commands to the cluster database");
            let question = format!("This carries out {count} commands on the cluster database. Go on?");
            let agreed = arguments.yes || arguments.start.validate_only;
            session.terminal.confirm(&question, agreed)?;
            apply(session, &action, &arguments.start, batch).await
        }
    }
}

/// The key above a key, and its own name.
fn split(key: &str) -> Result<(&str, &str), Failure> {
    let (parent, name) = key.rsplit_once('\\').unwrap_or(("", key));
    if name.is_empty() {
        return Err(Failure::Usage(
            "name the key, without a backslash at its end".to_owned(),
        ));
    }
    Ok((parent, name))
}

/// Reads the commands of a file. A cluster that the file names is the one; else `cluster` is.
fn read(path: &Path, cluster: String) -> Result<ApplyRegistryBatchParameters, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
        path: path.display().to_string(),
        source,
    })?;
    let wrong = |error| Failure::Usage(format!("{}: {}", path.display(), crate::failure::chain(&error)));
    let mut batch: ApplyRegistryBatchParameters = json::from_str(&text).map_err(wrong)?;
    if batch.cluster.is_empty() {
        batch.cluster = cluster;
    }
    Ok(batch)
}

async fn apply(
    session: &mut Session<'_>,
    action: &str,
    flags: &StartFlags,
    batch: ApplyRegistryBatchParameters,
) -> Result<Exit, Failure> {
    let client = session.connect(action).await?;
    apply_with(session, &client, action, flags, batch).await
}

async fn apply_with(
    session: &mut Session<'_>,
    client: &Client,
    action: &str,
    flags: &StartFlags,
    batch: ApplyRegistryBatchParameters,
) -> Result<Exit, Failure> {
    start(session, client, flags, action, |options| ApplyRegistryBatchRequest {
        batch: Some(batch),
        options: Some(options),
    })
    .await
}

async fn get(key: &str, value: Option<&str>, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("read key {}", quoted(key));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let mut answer = client
        .registry_key(cluster, key)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    if let Some(value) = value {
        answer.keys.clear();
        answer.values.retain(|held| held.name.eq_ignore_ascii_case(value));
        if answer.values.is_empty() {
            writeln!(
                session.terminal.err,
                "error: key {} has no value {}",
                quoted(key),
                quoted(value)
            )?;
            return Ok(Exit::NotFound);
        }
    }
    let write = |out: &mut dyn Write, _| tables::registry_key(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn set(arguments: &Set, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!(
        "set value {} of key {}",
        quoted(&arguments.name),
        quoted(&arguments.key)
    );
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let value_type = match &arguments.value_type {
        Some(given) => given.clone(),
        None => {
            let present = client.registry_key(cluster.clone(), &arguments.key).await;
            let present = present.map_err(|source| Failure::Call {
                action: action.clone(),
                source,
            })?;
            type_of(&present, &arguments.name)
        }
    };
    let data = data(&value_type, &arguments.data).map_err(Failure::Usage)?;
    let batch = Batch::new(cluster, &arguments.key).set(&arguments.name, data).build();
    apply_with(session, &client, &action, &arguments.start, batch).await
}

/// The type of a present value; a string where there is none.
fn type_of(key: &ReadRegistryKeyResponse, name: &str) -> String {
    let present = key.values.iter().find(|value| value.name.eq_ignore_ascii_case(name));
    present.map_or_else(|| "sz".to_owned(), |value| tables::registry_type(value.r#type))
}

/// What was typed as data of a type.
fn data(value_type: &str, typed: &[String]) -> Result<Data, String> {
    if value_type == "multi-sz" {
        return Ok(Data::Texts(typed.to_vec()));
    }
    let [text] = typed else {
        return Err(format!("a value of type {value_type} has one part of data"));
    };
    let parse = |type_name| property::parse(type_name, text).map_err(|error| error.to_string());
    use wsfc_client::v1::property_value::Value;
    match value_type {
        "sz" => Ok(Data::Text(text.clone())),
        "expand-sz" => Ok(Data::ExpandableText(text.clone())),
        "dword" => match parse("dword")? {
            Value::Dword(number) => Ok(Data::Dword(number)),
            other => Err(property::type_name(&other).to_owned()),
        },
        "qword" => match parse("ularge")? {
            Value::Ularge(number) => Ok(Data::Qword(number)),
            other => Err(property::type_name(&other).to_owned()),
        },
        "binary" => match parse("binary")? {
            Value::Binary(bytes) => Ok(Data::Binary(bytes)),
            other => Err(property::type_name(&other).to_owned()),
        },
        other => Err(format!(
            "the present value has type {other}; say with --type which one it shall have"
        )),
    }
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{RegistryCommandType, RegistryValue};

    use super::*;

    #[test]
    fn a_key_is_its_parent_and_its_name() {
        assert_eq!(split("A\\B\\C").unwrap(), ("A\\B", "C"));
        assert_eq!(split("A").unwrap(), ("", "A"));
        assert!(split("A\\").is_err());
        assert!(split("").is_err());
    }

    #[test]
    fn data_is_read_by_its_type() {
        let typed = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(data("dword", &typed(&["0x10"])), Ok(Data::Dword(16)));
        assert_eq!(data("qword", &typed(&["5"])), Ok(Data::Qword(5)));
        assert_eq!(data("binary", &typed(&["01ff"])), Ok(Data::Binary(vec![1, 255])));
        assert_eq!(
            data("multi-sz", &typed(&["a", "b"])),
            Ok(Data::Texts(typed(&["a", "b"])))
        );
        for (value_type, texts) in [("dword", &["x"][..]), ("sz", &["a", "b"]), ("99", &["a"])] {
            assert!(data(value_type, &typed(texts)).is_err(), "{value_type}");
        }
    }

    #[test]
    fn the_type_is_that_of_the_present_value() {
        let key = ReadRegistryKeyResponse {
            values: vec![RegistryValue {
                name: "Level".to_owned(),
                r#type: 4,
                data: vec![1, 0, 0, 0],
            }],
            ..Default::default()
        };
        assert_eq!(type_of(&key, "LEVEL"), "dword");
        assert_eq!(type_of(&key, "Other"), "sz");
    }

    #[test]
    fn a_file_of_commands_is_read_or_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"key": "K", "commands": [{"type": "REGISTRY_COMMAND_TYPE_CREATE_KEY", "name": "L"}]}"#;
        std::fs::write(file.path(), text).unwrap();
        let batch = read(file.path(), "CL1".to_owned()).unwrap();
        assert_eq!((batch.cluster.as_str(), batch.key.as_str()), ("CL1", "K"));
        assert_eq!(batch.commands[0].r#type(), RegistryCommandType::CreateKey);
        std::fs::write(file.path(), r#"{"kez": "K"}"#).unwrap();
        assert!(matches!(read(file.path(), String::new()), Err(Failure::Usage(_))));
    }
}
