//! `wsfcctl context`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::login::forget;
use crate::cli::Format;
use crate::contexts::{self, Context, Contexts};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::tables;

/// The verbs of `wsfcctl context`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the contexts.
    List,
    /// Use a context from now on.
    Use {
        /// The context.
        name: String,
    },
    /// Make a context from --endpoint, --ca, --cert, --key, --server-name, --token-file, --secrets-in-plain and
    /// --cluster, or change what they name.
    Set(Set),
    /// Remove a context.
    Remove {
        /// The context.
        name: String,
    },
    /// Show a context and where the contexts are.
    Show {
        /// The context [default: the one in use, with what flags and environment say].
        name: Option<String>,
    },
}

/// What to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The context.
    name: String,
    /// Use it from now on; the first context is used anyway.
    #[arg(long = "use")]
    use_it: bool,
}

/// A context as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    current: bool,
    #[serde(flatten)]
    context: &'a Context,
}

pub(crate) fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let path = session.contexts_path()?;
    let mut contexts = Contexts::load(&path)?;
    match verb {
        Verb::List => list(session, &contexts)?,
        Verb::Show { name } => show(session, &contexts, name.as_deref(), &path.display().to_string())?,
        Verb::Use { name } => {
            contexts.find(Some(name))?;
            contexts.current = Some(name.clone());
            contexts.save(&path)?;
            writeln!(session.terminal.err, "Context {name} is in use.")?;
        }
        Verb::Set(arguments) => {
            set(session, &mut contexts, arguments)?;
            contexts.save(&path)?;
            writeln!(session.terminal.err, "Context {} is set.", arguments.name)?;
        }
        Verb::Remove { name } => {
            forget(&mut contexts, &path, name)?;
            writeln!(session.terminal.err, "Context {name} is removed.")?;
        }
    }
    Ok(Exit::Ok)
}

fn set(session: &Session<'_>, contexts: &mut Contexts, arguments: &Set) -> Result<(), Failure> {
    let mut context = contexts.contexts.get(&arguments.name).cloned().unwrap_or_default();
    // The environment is for single commands; only what is typed here is kept.
    if !session.globals.endpoint.is_empty() {
        context.endpoints.clone_from(&session.globals.endpoint);
        // What is allowed towards one daemon is not towards another.
        context.secrets_in_plain = false;
    }
    session.override_tls(&mut context);
    if let Some(cluster) = &session.globals.cluster {
        // An empty name takes the cluster of the context away.
        context.cluster = Some(cluster.clone()).filter(|cluster| !cluster.is_empty());
    }
    if context.endpoints.is_empty() {
        return Err(contexts::Error::NoEndpoint(arguments.name.clone()).into());
    }
    // The context is used from other folders, too.
    for path in [
        &mut context.ca,
        &mut context.cert,
        &mut context.key,
        &mut context.token_file,
    ]
    .into_iter()
    .flatten()
    {
        *path = absolute(path.clone())?;
    }
    contexts.contexts.insert(arguments.name.clone(), context);
    if arguments.use_it || contexts.current.is_none() {
        contexts.current = Some(arguments.name.clone());
    }
    Ok(())
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|source| Failure::File {
        path: path.display().to_string(),
        source,
    })
}

fn list(session: &mut Session<'_>, contexts: &Contexts) -> Result<(), Failure> {
    let current = contexts.current.as_deref();
    let shown: Vec<_> = contexts
        .contexts
        .iter()
        .map(|(name, context)| Shown {
            name: Some(name),
            current: current == Some(name),
            context,
        })
        .collect();
    let out = &mut session.terminal.out;
    if session.globals.output.is_machine() {
        return write(out, session.globals.output, &shown);
    }
    if shown.is_empty() {
        writeln!(
            out,
            "There is no context. Make one with: wsfcctl context set NAME --endpoint URI"
        )?;
        return Ok(out.flush()?);
    }
    let rows = shown.iter().map(|shown| {
        let mark = if shown.current { "*" } else { "" };
        vec![
            mark.to_owned(),
            shown.name.unwrap_or_default().to_owned(),
            shown.context.endpoints.join(", "),
        ]
    });
    tables::rows(out, &["", "CONTEXT", "ENDPOINTS"], rows)?;
    Ok(out.flush()?)
}

fn show(session: &mut Session<'_>, contexts: &Contexts, name: Option<&str>, path: &str) -> Result<(), Failure> {
    // Without a name it is what a command would use, flags and environment included.
    let (name, context) = match name {
        Some(name) => {
            let (name, context) = contexts.find(Some(name))?;
            (Some(name), context.clone())
        }
        None => {
            let context = session.context()?;
            let name = session.globals.context.as_deref().or(contexts.current.as_deref());
            let aside = session.globals.context.is_none() && !session.given_endpoints().is_empty();
            (name.filter(|_| !aside), context)
        }
    };
    let current = name.is_some() && name == contexts.current.as_deref();
    let shown = Shown {
        name,
        current,
        context: &context,
    };
    let out = &mut session.terminal.out;
    if session.globals.output.is_machine() {
        return write(out, session.globals.output, &shown);
    }
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let in_use = if current { " (in use)" } else { "" };
    let facts = [
        ("context", format!("{}{in_use}", name.unwrap_or("none"))),
        ("endpoints", context.endpoints.join(", ")),
        ("ca", file(&context.ca)),
        ("cert", file(&context.cert)),
        ("key", file(&context.key)),
        ("server name", context.server_name.clone().unwrap_or_default()),
        ("token file", file(&context.token_file)),
        (
            "secrets",
            if context.secrets_in_plain { "in plain, too" } else { "" }.to_owned(),
        ),
        ("cluster", context.cluster.clone().unwrap_or_default()),
        ("file", path.to_owned()),
    ];
    tables::facts(out, &facts)?;
    Ok(out.flush()?)
}

/// Contexts are no messages of the contract, so they have a JSON form of their own: that of their file.
fn write<T: Serialize>(out: &mut dyn Write, format: Format, shown: &T) -> Result<(), Failure> {
    let text = match format {
        Format::Yaml => serde_norway::to_string(shown).map_err(|error| Failure::Format(error.into()))?,
        Format::Table | Format::Wide | Format::Json => {
            let text = serde_json::to_string_pretty(shown).map_err(|error| Failure::Format(error.into()))?;
            format!("{text}\n")
        }
    };
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    /// Runs command lines on one file of contexts, and gives what each wrote and how it ended.
    struct Desk {
        folder: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                folder: tempfile::tempdir().unwrap(),
            }
        }

        fn run(&self, line: &str) -> (Exit, String, String) {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let config = Some(self.folder.path().join("contexts.toml"));
            let environment = Environment {
                endpoint: Some("http://env:1".to_owned()),
                config,
                ..Environment::default()
            };
            let (mut terminal, out, err) = on_paper(None);
            let exit = crate::run(&cli, &environment, &mut terminal);
            (exit, out.text(), err.text())
        }
    }

    #[test]
    fn contexts_are_set_used_listed_and_removed() {
        let desk = Desk::new();
        assert!(desk.run("wsfcctl context list").1.starts_with("There is no context."));
        let set = "wsfcctl context set lab --endpoint https://n1:1 --endpoint https://n2:1 --ca /ca.pem";
        assert_eq!(desk.run(set).0, Exit::Ok);
        assert_eq!(desk.run("wsfcctl context set prod --endpoint https://p:1").0, Exit::Ok);
        insta::assert_snapshot!("contexts", desk.run("wsfcctl context list").1);
        assert_eq!(desk.run("wsfcctl context use prod").0, Exit::Ok);
        insta::assert_snapshot!("contexts_json", desk.run("wsfcctl -o json context list").1);
        let shown = desk.run("wsfcctl context show prod").1;
        assert!(
            shown.starts_with("context      prod (in use)\nendpoints    https://p:1\n"),
            "{shown}"
        );
        // Changing one thing leaves the others.
        let change = "wsfcctl context set lab --server-name daemon --token-file /token";
        assert_eq!(desk.run(change).0, Exit::Ok);
        let shown = desk.run("wsfcctl -o yaml context show lab").1;
        let expected = "name: lab\ncurrent: false\nendpoints:\n- https://n1:1\n- https://n2:1\nca: /ca.pem\nserver_name: daemon\ntoken_file: /token\n";
        assert_eq!(shown, expected);
        assert_eq!(desk.run("wsfcctl context remove prod").0, Exit::Ok);
        assert!(!desk.run("wsfcctl context list").1.contains('*'));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let desk = Desk::new();
        for line in [
            "wsfcctl context use lab",
            "wsfcctl context remove lab",
            "wsfcctl context show lab",
        ] {
            let (exit, _, err) = desk.run(line);
            assert_eq!(exit, Exit::Usage);
            assert_eq!(
                err,
                "error: there is no context lab; `wsfcctl context list` shows what there is\n"
            );
        }
        // The endpoint of the environment is not kept.
        let (exit, _, err) = desk.run("wsfcctl context set lab --ca /ca.pem");
        assert_eq!(
            (exit, err.as_str()),
            (Exit::Usage, "error: context lab names no endpoint\n")
        );
    }

    #[test]
    fn show_without_a_name_is_what_a_command_would_use() {
        let desk = Desk::new();
        desk.run("wsfcctl context set lab --endpoint https://n1:1");
        assert!(
            desk.run("wsfcctl context show")
                .1
                .starts_with("context      none\nendpoints    http://env:1\n")
        );
        let named = desk.run("wsfcctl --context lab --endpoint http://x:1 context show").1;
        assert!(
            named.starts_with("context      lab (in use)\nendpoints    http://x:1\n"),
            "{named}"
        );
    }
}
