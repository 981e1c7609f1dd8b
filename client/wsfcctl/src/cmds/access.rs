//! `wsfcctl access`.

use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use futures_util::TryStreamExt as _;
use serde_json::json;
use wsfc_client::v1::revoke_identity_request::Target;
use wsfc_client::v1::{
    BindRoleRequest, CreateTokenRequest, ListIdentitiesRequest, ListRolesRequest, ListTokensRequest,
    RevokeIdentityRequest, RevokeTokenRequest, RoleBinding, UnbindRoleRequest, WhoAmIRequest,
};
use wsfc_client::{Client, Error};

use super::duration;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::phrases::plain;
use crate::session::{Session, now};
use crate::tables;

/// The verbs of `wsfcctl access`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Token(Token),
    /// List who has a certificate of the daemon or a role, and the join tokens.
    List,
    Revoke(Revoke),
    /// Give a role to a subject.
    Grant(Grant),
    /// Take a role away that was given.
    Ungrant(Grant),
    /// Say who this is, and what it may do.
    Whoami,
    /// List the roles that there are, with their permissions.
    Roles,
}

/// Make a join token, with which somebody else logs in once.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The identity that it is for, such as anna.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The role that it gives.
    #[arg(long, value_name = "ROLE")]
    role: String,
    #[command(flatten)]
    clusters: Clusters,
    /// How long it can be used [default: 1h].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    ttl: Option<Duration>,
}

/// Take everything from an identity, or one certificate or token.
///
/// Connections and streams of whoever it was end at once.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// An identity such as anna, the id of a join token, or cert:FINGERPRINT.
    #[arg(value_name = "NAME|TOKEN-ID|CERTIFICATE")]
    what: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// A role of somebody.
#[derive(Debug, Args)]
pub(crate) struct Grant {
    /// Who: an identity such as anna, or uri:..., email:..., dns:..., subject:..., cert:..., user:..., group:... or
    /// local:...; with * at its end all that begin so.
    subject: String,
    /// The role.
    role: String,
    #[command(flatten)]
    clusters: Clusters,
}

/// Where a role counts.
#[derive(Debug, Args)]
pub(crate) struct Clusters {
    /// A cluster that the role is for, beside that of --cluster; may be repeated [default: all clusters].
    #[arg(long, value_name = "CLUSTER")]
    on: Vec<String>,
}

impl Clusters {
    /// Those of the command line alone: the cluster of a context is where somebody works, not where others may.
    fn of(&self, session: &Session<'_>) -> Vec<String> {
        session.globals.cluster.iter().chain(&self.on).cloned().collect()
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Token(arguments) => token(arguments, session).await?,
        Verb::List => list(session).await?,
        Verb::Revoke(arguments) => revoke(arguments, session).await?,
        Verb::Grant(arguments) => grant(arguments, session).await?,
        Verb::Ungrant(arguments) => ungrant(arguments, session).await?,
        Verb::Whoami => whoami(session).await?,
        Verb::Roles => roles(session).await?,
    }
    Ok(Exit::Ok)
}

fn failed(action: &str) -> impl Fn(Error) -> Failure {
    move |source| Failure::Call {
        action: action.to_owned(),
        source,
    }
}

async fn token(arguments: &Token, session: &mut Session<'_>) -> Result<(), Failure> {
    let action = format!("make a token for {}", arguments.name);
    let request = CreateTokenRequest {
        name: arguments.name.clone(),
        role: arguments.role.clone(),
        clusters: arguments.clusters.of(session),
        ttl: duration("--ttl", arguments.ttl)?,
    };
    let endpoint = session.context()?.endpoints.into_iter().next().unwrap_or_default();
    let client = session.connect(&action).await?;
    let answer = client.create_token(request).await.map_err(failed(&action))?;
    // Of a daemon that is reached over the loopback only it knows how others do.
    let host = endpoint.strip_prefix("https://").unwrap_or("HOST");
    // As `wsfcd init` names it, so that a login is kept under one name.
    let host = host.strip_suffix(&format!(":{}", wsfc_client::PORT)).unwrap_or(host);
    let command = format!("wsfcctl login {host} --token {}", plain(&answer.token));
    let write = |out: &mut dyn Write, _| writeln!(out, "{command}");
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    if let Some(token) = answer.details.as_ref().filter(|_| !session.globals.output.is_machine()) {
        writeln!(
            session.terminal.err,
            "The token works once and makes whoever uses it {} with the role {}. `wsfcctl access revoke {}` takes it away.",
            plain(&token.name),
            plain(&token.role),
            plain(&token.id)
        )?;
    }
    Ok(())
}

async fn list(session: &mut Session<'_>) -> Result<(), Failure> {
    let action = "list who may call the daemon";
    let client = session.connect(action).await?;
    let request = ListIdentitiesRequest {
        page_size: 1_000,
        ..Default::default()
    };
    let identities: Vec<_> = client.list_all(request).try_collect().await.map_err(failed(action))?;
    let tokens = client
        .list_tokens(ListTokensRequest {})
        .await
        .map_err(failed(action))?
        .tokens;
    let value = if session.globals.output.is_machine() {
        let identities: Vec<_> = identities.iter().map(output::value).collect::<Result<_, _>>()?;
        let tokens: Vec<_> = tokens.iter().map(output::value).collect::<Result<_, _>>()?;
        json!({ "identities": identities, "tokens": tokens })
    } else {
        serde_json::Value::Null
    };
    let write = |out: &mut dyn Write, wide| tables::identities(out, &identities, &tokens, now(), wide);
    output::value_answer(&mut session.terminal.out, session.globals.output, &value, write)
}

/// Whether a text is the id of a token and of nothing else that is likely.
fn is_token_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

async fn revoke(arguments: &Revoke, session: &mut Session<'_>) -> Result<(), Failure> {
    let what = &arguments.what;
    let action = format!("revoke {what}");
    let question = match what.strip_prefix("cert:") {
        Some(_) => format!("This revokes the certificate {what} and all that was issued in its place."),
        None if is_token_id(what) => format!("This takes the join token {what} away."),
        None => format!("This takes the certificates, the roles and the unused tokens of {what} away."),
    };
    session.terminal.confirm(&question, arguments.yes)?;
    let client = session.connect(&action).await?;
    let target = match what.strip_prefix("cert:") {
        Some(fingerprint) => Target::Fingerprint(fingerprint.to_owned()),
        None if is_token_id(what) => {
            let request = RevokeTokenRequest { id: what.clone() };
            client.revoke_token(request).await.map_err(failed(&action))?;
            return Ok(writeln!(session.terminal.err, "The token {what} is gone.")?);
        }
        None => Target::Name(what.clone()),
    };
    let request = RevokeIdentityRequest { target: Some(target) };
    let answer = client.revoke_identity(request).await.map_err(failed(&action))?;
    let write = |out: &mut dyn Write, _| {
        let counted = [
            ("certificate", answer.certificates),
            ("role", answer.roles),
            ("token", answer.tokens),
        ];
        let parts: Vec<_> = counted
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        writeln!(out, "Revoked: {}.", parts.join(", "))
    };
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)
}

/// What binds: a bare name is an identity of the daemon's own authority, whose subject the daemon knows.
async fn binding(arguments: &Grant, session: &Session<'_>, client: &Client) -> Result<RoleBinding, Failure> {
    let subject = if arguments.subject.contains(':') {
        arguments.subject.clone()
    } else {
        let action = format!("find the identity {}", arguments.subject);
        let identities = client.list_all(ListIdentitiesRequest::default());
        let found = identities
            .try_filter(|identity| std::future::ready(identity.name == arguments.subject))
            .try_collect::<Vec<_>>();
        let found = found.await.map_err(failed(&action))?;
        let found = found.into_iter().next().ok_or_else(|| {
            Failure::Usage(format!(
                "no identity of the daemon has the name {}; write a subject with its kind, such as uri:...",
                arguments.subject
            ))
        })?;
        found.subject
    };
    Ok(RoleBinding {
        subject,
        role: arguments.role.clone(),
        clusters: arguments.clusters.of(session),
    })
}

async fn grant(arguments: &Grant, session: &mut Session<'_>) -> Result<(), Failure> {
    let action = format!("give {} the role {}", arguments.subject, arguments.role);
    let client = session.connect(&action).await?;
    let request = BindRoleRequest {
        binding: Some(binding(arguments, session, &client).await?),
    };
    let answer = client.bind_role(request).await.map_err(failed(&action))?;
    let write = |out: &mut dyn Write, _| {
        let had = if answer.unchanged { "already has" } else { "has" };
        writeln!(out, "{} {had} the role {}.", arguments.subject, arguments.role)
    };
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)
}

async fn ungrant(arguments: &Grant, session: &mut Session<'_>) -> Result<(), Failure> {
    let action = format!("take the role {} from {}", arguments.role, arguments.subject);
    let client = session.connect(&action).await?;
    let request = UnbindRoleRequest {
        binding: Some(binding(arguments, session, &client).await?),
    };
    let answer = client.unbind_role(request).await.map_err(failed(&action))?;
    let write =
        |out: &mut dyn Write, _| writeln!(out, "{} no longer has the role {}.", arguments.subject, arguments.role);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)
}

async fn whoami(session: &mut Session<'_>) -> Result<(), Failure> {
    let action = "ask the daemon who this is";
    let client = session.connect(action).await?;
    let answer = client.who_am_i(WhoAmIRequest {}).await.map_err(failed(action))?;
    let write = |out: &mut dyn Write, _| tables::caller(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    if let Some(left) = tables::ends_soon(answer.server_certificate_expire_time, now()) {
        writeln!(
            session.terminal.err,
            "warning: the certificate of the daemon {left}; an administrator of its host must look after it"
        )?;
    }
    Ok(())
}

async fn roles(session: &mut Session<'_>) -> Result<(), Failure> {
    let action = "list the roles";
    let client = session.connect(action).await?;
    let answer = client.list_roles(ListRolesRequest {}).await.map_err(failed(action))?;
    let write = |out: &mut dyn Write, _| {
        let rows = answer
            .roles
            .iter()
            .map(|role| vec![role.name.clone(), role.permissions.join(" ")]);
        tables::rows(out, &["ROLE", "PERMISSIONS"], rows)
    };
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)
}
