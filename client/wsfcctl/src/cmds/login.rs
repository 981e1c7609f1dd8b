//! `wsfcctl login` and `wsfcctl logout`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use wsfc_client::v1::WhoAmIRequest;
use wsfc_client::{Client, ConnectOptions, EnrolOptions, JoinToken, TlsOptions, enrol};
use zeroize::Zeroizing;

use crate::contexts::{self, Context, Contexts};
use crate::credentials::Files;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::tables;

/// Where to log in, and with what.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The daemon: HOST, HOST:PORT or https://HOST:PORT.
    host: String,
    /// The join token that an administrator of the daemon gave; without it, it is asked for.
    #[arg(long, value_name = "TOKEN", conflicts_with = "join_token_file")]
    token: Option<TokenText>,
    /// The file with the join token.
    #[arg(long, value_name = "FILE")]
    join_token_file: Option<PathBuf>,
    /// The context to keep the certificate under [default: the host].
    #[arg(long, value_name = "CONTEXT")]
    name: Option<String>,
}

/// The text of a join token, which is not printed and is wiped.
#[derive(Clone)]
struct TokenText(Zeroizing<String>);

impl From<String> for TokenText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// What to forget.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The context [default: the one in use].
    name: Option<String>,
}

impl Login {
    fn token(&self, interactive: bool) -> Result<JoinToken, Failure> {
        let text = match (&self.token, &self.join_token_file) {
            (Some(TokenText(text)), _) => text.clone(),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
                    path: path.display().to_string(),
                    source,
                });
                Zeroizing::new(text?)
            }
            (None, None) if interactive => {
                let text = dialoguer::Password::new().with_prompt("Join token").interact();
                Zeroizing::new(text.map_err(|dialoguer::Error::IO(error)| Failure::Stream(error))?)
            }
            (None, None) => {
                let problem = "the join token cannot be asked for, since stdin is not a terminal; give --token";
                return Err(Failure::Usage(problem.to_owned()));
            }
        };
        text.parse().map_err(|malformed| Failure::Usage(format!("{malformed}")))
    }

    fn context(&self) -> String {
        let host = self.host.trim_start_matches("https://").trim_end_matches('/');
        self.name.clone().unwrap_or_else(|| host.to_owned())
    }
}

/// Gets a certificate and keeps it under a context, which is in use from now on.
pub(crate) async fn login(arguments: &Login, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let path = session.contexts_path()?;
    let mut contexts = Contexts::load(&path)?;
    let name = arguments.context();
    // What somebody made by hand is not replaced by the way.
    if contexts.contexts.get(&name).is_some_and(|context| !context.login) {
        return Err(Failure::Usage(format!(
            "there is a context {name} already; give --name, or remove it with `wsfcctl context remove {name}`"
        )));
    }
    let mut options = EnrolOptions::new(&arguments.host, arguments.token(session.terminal.interactive)?);
    options.server_name.clone_from(&session.globals.server_name);
    if let Some(timeout) = session.globals.timeout {
        options.timeout = timeout;
    }
    let action = format!("log in at {}", arguments.host);
    let enrolled = enrol(options).await.map_err(|source| Failure::Call {
        action: action.clone(),
        source,
    })?;
    let files = Files::of(&std::path::absolute(&path)?, &name);
    files.write(&enrolled)?;
    let context = Context {
        endpoints: vec![enrolled.endpoint.clone()],
        ca: Some(files.ca),
        cert: Some(files.identity.clone()),
        key: Some(files.identity),
        token_file: None,
        secrets_in_plain: false,
        server_name: session.globals.server_name.clone(),
        cluster: contexts.contexts.get(&name).and_then(|context| context.cluster.clone()),
        login: true,
    };
    contexts.contexts.insert(name.clone(), context);
    contexts.current = Some(name.clone());
    contexts.save(&path)?;
    writeln!(session.terminal.err, "Context {name} is in use.")?;
    let mut options = ConnectOptions::new([enrolled.endpoint]);
    options.tls = Some(TlsOptions {
        ca_pem: Some(enrolled.ca_pem),
        identity: Some(enrolled.identity),
        server_name: session.globals.server_name.clone(),
    });
    let failed = |source| Failure::Call {
        action: "ask the daemon who this is".to_owned(),
        source,
    };
    let client = Client::connect(options).await.map_err(failed)?;
    let answer = client.who_am_i(WhoAmIRequest {}).await.map_err(failed)?;
    let write = |out: &mut dyn std::io::Write, _| tables::caller(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

/// Forgets a context that a login has made, with its certificate and key.
pub(crate) fn logout(arguments: &Logout, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let path = session.contexts_path()?;
    let mut contexts = Contexts::load(&path)?;
    let named = arguments.name.as_deref().or(session.globals.context.as_deref());
    let (name, context) = contexts.find(named)?;
    let name = name.to_owned();
    if !context.login {
        return Err(Failure::Usage(format!(
            "context {name} was not made by a login; remove it with `wsfcctl context remove {name}`"
        )));
    }
    forget(&mut contexts, &path, &name)?;
    let err = &mut session.terminal.err;
    writeln!(err, "Context {name} and its key are gone.")?;
    writeln!(
        err,
        "Its certificate stays good for the rest of its time; `wsfcctl access revoke` of an administrator ends it."
    )?;
    Ok(Exit::Ok)
}

/// Takes a context away, and the files that a login has made for it.
pub(crate) fn forget(contexts: &mut Contexts, path: &std::path::Path, name: &str) -> Result<(), Failure> {
    let context = contexts
        .contexts
        .remove(name)
        .ok_or_else(|| contexts::Error::Unknown(name.to_owned()))?;
    if contexts.current.as_deref() == Some(name) {
        contexts.current = None;
    }
    contexts.save(path)?;
    if context.login {
        Files::of(&std::path::absolute(path)?, name).remove()?;
    }
    Ok(())
}
