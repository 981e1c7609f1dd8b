//! `wsfcctl cluster-access`.

use std::io::Write;

use clap::Subcommand;
use wsfc_client::v1::ListAccessRequest;

use crate::change::{change, changes};
use crate::choice::{self, Choice};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::tables;

/// The verbs of `wsfcctl cluster-access`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List who may use the cluster and who may not.
    List,
    Grant(Grant),
    Block(Block),
    Remove(Remove),
}

changes! {
    /// Allow an account to use the cluster.
    Grant(GrantAccessParameters): format!("grant {account} the right to {}", right.word); {
        /// The account as a SID in text, such as S-1-5-32-544.
        account: String,
        /// What is allowed.
        #[arg(value_parser = choice::right())]
        right: Choice,
    }

    /// Deny an account the use of the cluster.
    Block(BlockAccessParameters): format!("deny {account} the right to {}", right.word);
    yes if Some(format!("This denies {account} the use of the cluster.")); {
        /// The account as a SID in text, such as S-1-5-32-544.
        account: String,
        /// What is denied.
        #[arg(value_parser = choice::right())]
        right: Choice,
    }

    /// Remove every entry of an account.
    Remove(RemoveAccessParameters): format!("remove the entries of {account}");
    yes if Some(format!("This removes every entry of {account} from the access list of the cluster.")); {
        /// The account as a SID in text, such as S-1-5-32-544.
        account: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::List => list(session).await,
        Verb::Grant(verb) => change(verb, session).await,
        Verb::Block(verb) => change(verb, session).await,
        Verb::Remove(verb) => change(verb, session).await,
    }
}

async fn list(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "list who may use the cluster".to_owned();
    let request = ListAccessRequest {
        cluster: session.cluster()?,
    };
    let client = session.connect(&action).await?;
    let answer = client
        .list_access(request)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, _| tables::access(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}
