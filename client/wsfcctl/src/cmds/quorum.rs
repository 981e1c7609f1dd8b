//! `wsfcctl quorum`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use wsfc_client::v1::{CheckQuorumRequest, ObjectKind, SetQuorumParameters, SetQuorumRequest, WitnessSecret};
use zeroize::Zeroizing;

use super::reads;
use crate::change::{change, changes};
use crate::choice::{self, Choice, Switch};
use crate::cli::StartFlags;
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::output;
use crate::session::Session;
use crate::start::start;

/// The verbs of `wsfcctl quorum`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what decides whether the cluster may run.
    Get {
        /// Ask the cluster itself, instead of telling what the daemon has observed.
        #[arg(long)]
        fresh: bool,
    },
    /// Show everything about it.
    Describe {
        /// Ask the cluster itself, instead of telling what the daemon has observed.
        #[arg(long)]
        fresh: bool,
    },
    /// Set how the cluster decides whether it has quorum; makes the witness if it is not there.
    Set(Set),
    Vote(Vote),
    /// Tell whether the cluster would lose its quorum if a node or the witness went away; changes nothing. Ends with 4
    /// if it would.
    Check(Check),
}

/// The quorum to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The kind of quorum.
    #[arg(value_name = "TYPE", value_parser = choice::quorum_type())]
    kind: Choice,
    /// The disk resource, for disk-witness and disk-only; for the others the name of the witness resource to make
    /// [default: the usual one].
    #[arg(long, value_name = "RESOURCE", default_value = "", hide_default_value = true, add = names(ObjectKind::Resource))]
    witness: String,
    /// The UNC path of the share, for file-share-witness.
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    share: String,
    /// The storage account, for cloud-witness.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    account_name: String,
    /// The endpoint of the storage service, for cloud-witness [default: core.windows.net].
    #[arg(
        id = "storage_endpoint",
        long = "storage-endpoint",
        value_name = "HOST",
        default_value = "",
        hide_default_value = true
    )]
    endpoint: String,
    /// The file with the access key of the storage account, for cloud-witness; a line end at its end is not part of
    /// it. Without it the key is asked for.
    #[arg(long, value_name = "FILE")]
    access_key_file: Option<PathBuf>,
    #[command(flatten)]
    start: StartFlags,
}

/// What would go away.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The node [default: the witness].
    #[arg(default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
    node: String,
    /// It would be evicted, or the witness removed, instead of going down.
    #[arg(long)]
    evict: bool,
}

changes! {
    /// Give a node its vote, or take it away.
    Vote(SetNodeVoteParameters): format!("turn the vote of node {} {vote}", quoted(node)); {
        /// The node.
        #[arg(add = names(ObjectKind::Node))]
        node: String,
        /// On or off.
        #[arg(value_enum, value_name = "SWITCH")]
        vote: Switch,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Get { fresh } => reads::show(ObjectKind::Quorum, "", *fresh, session).await,
        Verb::Describe { fresh } => reads::describe(ObjectKind::Quorum, "", *fresh, session).await,
        Verb::Set(arguments) => set(arguments, session).await,
        Verb::Vote(verb) => change(verb, session).await,
        Verb::Check(arguments) => check(arguments, session).await,
    }
}

async fn set(arguments: &Set, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("set the quorum to {}", arguments.kind.word);
    let witness_secret = secret(arguments, session)?;
    let quorum = SetQuorumParameters {
        cluster: session.cluster()?,
        witness_resource: arguments.witness.clone(),
        r#type: arguments.kind.number,
        share_path: arguments.share.clone(),
        account_name: arguments.account_name.clone(),
        endpoint: arguments.endpoint.clone(),
    };
    let client = session.connect(&action).await?;
    start(session, &client, &arguments.start, &action, |options| {
        SetQuorumRequest {
            quorum: Some(quorum),
            options: Some(options),
            witness_secret,
        }
    })
    .await
}

/// The access key, from its file or from the person; only a cloud witness has one.
fn secret(arguments: &Set, session: &Session<'_>) -> Result<Option<WitnessSecret>, Failure> {
    if arguments.kind.word != "cloud-witness" {
        return Ok(None);
    }
    let access_key = match &arguments.access_key_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
                path: path.display().to_string(),
                source,
            })?;
            Zeroizing::new(text).trim_end_matches(['\r', '\n']).to_owned()
        }
        None if session.terminal.interactive => dialoguer::Password::new()
            .with_prompt(format!("Access key of {}", arguments.account_name))
            .interact()
            .map_err(|dialoguer::Error::IO(error)| Failure::Stream(error))?,
        None => {
            let problem = "the key cannot be asked for, since stdin is not a terminal; give --access-key-file";
            return Err(Failure::Usage(problem.to_owned()));
        }
    };
    Ok(Some(WitnessSecret { access_key }))
}

async fn check(arguments: &Check, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let subject = if arguments.node.is_empty() {
        "the witness".to_owned()
    } else {
        format!("node {}", quoted(&arguments.node))
    };
    let action = format!("check the quorum without {subject}");
    let request = CheckQuorumRequest {
        cluster: session.cluster()?,
        node: arguments.node.clone(),
        evict: arguments.evict,
    };
    let client = session.connect(&action).await?;
    let answer = client
        .check_quorum(request)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let verdict = if answer.would_lose_quorum { "lose" } else { "keep" };
    let write = |out: &mut dyn Write, _| writeln!(out, "Without {subject} the cluster would {verdict} its quorum.");
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(if answer.would_lose_quorum {
        Exit::Refused
    } else {
        Exit::Ok
    })
}
