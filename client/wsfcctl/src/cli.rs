//! The command line's grammar: what all commands share. Each noun has its own in [`cmds`](crate::cmds).

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use uuid::Uuid;
use wsfc_client::v1::{BusyPolicy, Credentials, StartOptions};
use zeroize::Zeroizing;

use crate::cmds::Command;
use crate::exit;
use crate::failure::Failure;

/// Steers and watches Windows Server failover clusters through wsfcd.
#[derive(Debug, Parser)]
#[command(name = "wsfcctl", version, after_long_help = exit::HELP, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the daemon is reached and how answers are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// How answers are shown.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// The cluster: a name, an address or an FQDN [default: that of the context, else the cluster of the daemon's host].
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The context to use instead of the current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// An endpoint of the daemon, such as https://node1:7443, unix:/var/lib/wsfcd/api.sock or
    /// pipe:\\.\pipe\wsfcd\api; may be repeated, and is then tried in turn. Without --context the contexts are left
    /// aside [default: the current context, else the local endpoint of this host's daemon, else
    /// http://127.0.0.1:7443].
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) endpoint: Vec<String>,
    /// The authorities that the daemon's certificate is checked against, in PEM.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to show to the daemon, in PEM.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the daemon's certificate must carry [default: the host of the endpoint].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    /// The file with the bearer token to show, over https or a local endpoint; it is read again when it changes.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Send passwords and keys over plain TCP (http), too, where whoever has the port gets them; for simulated worlds only.
    #[arg(long, global = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) secrets_in_plain: Option<bool>,
    /// The longest time for an answer, such as 10s; following an operation is not bounded by it [default: 30s].
    #[arg(long, global = true, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences for people.
    Table,
    /// Tables with more columns.
    Wide,
    /// The proto3 JSON mapping; streams have one object a line.
    Json,
    /// The same as YAML; streams have one document a record.
    Yaml,
}

impl Format {
    /// True for the table with more columns.
    pub(crate) fn is_wide(self) -> bool {
        self == Self::Wide
    }

    /// True for the formats that programs read.
    pub(crate) fn is_machine(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }
}

/// Reads a duration such as 30s as the contract writes it.
pub(crate) fn span(text: &str) -> Result<prost_types::Duration, String> {
    let read = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    prost_types::Duration::try_from(read).map_err(|_| "the time is too long".to_owned())
}

/// How an operation is started; the same for every command that starts one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Start options")]
pub(crate) struct StartFlags {
    /// Print the id of the operation and leave; it goes on.
    #[arg(long, conflicts_with = "validate_only")]
    pub(crate) detach: bool,
    /// Say what would be refused, and change nothing.
    #[arg(long)]
    pub(crate) validate_only: bool,
    /// The request id: a start with the same id attaches to the operation that it began [default: a new UUID].
    #[arg(long, value_name = "UUID")]
    pub(crate) request_id: Option<Uuid>,
    /// Give up at once when another operation holds the cluster or a node, instead of waiting for it.
    #[arg(long)]
    pub(crate) refuse_when_busy: bool,
}

impl StartFlags {
    /// The options for the request, with a request id in any case.
    pub(crate) fn options(&self) -> StartOptions {
        let busy_policy = if self.refuse_when_busy {
            BusyPolicy::Refuse
        } else {
            BusyPolicy::Unspecified
        };
        StartOptions {
            request_id: self.request_id.unwrap_or_else(Uuid::new_v4).to_string(),
            validate_only: false,
            busy_policy: busy_policy.into(),
        }
    }
}

/// The account that acts in the directory instead of the daemon's.
#[derive(Debug, Args)]
#[command(next_help_heading = "Account options")]
pub(crate) struct CredentialFlags {
    /// The account that acts in the directory [default: the account of the daemon]. Its password is asked for.
    #[arg(long, value_name = "DOMAIN\\USER", value_parser = parse_account)]
    account: Option<Account>,
    /// The file with the password, instead of asking for it; a line end at its end is not part of it.
    #[arg(long, value_name = "FILE", requires = "account")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Account {
    domain: String,
    user_name: String,
}

fn parse_account(text: &str) -> Result<Account, String> {
    match text.split_once('\\') {
        Some((domain, user_name)) if !domain.is_empty() && !user_name.is_empty() => Ok(Account {
            domain: domain.to_owned(),
            user_name: user_name.to_owned(),
        }),
        _ => Err("write it as DOMAIN\\USER".to_owned()),
    }
}

impl CredentialFlags {
    /// The credentials, with the password from its file or from the person.
    pub(crate) fn read(&self, interactive: bool) -> Result<Option<Credentials>, Failure> {
        let Some(Account { domain, user_name }) = self.account.clone() else {
            return Ok(None);
        };
        let password = match &self.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
                    path: path.display().to_string(),
                    source,
                })?;
                Zeroizing::new(text).trim_end_matches(['\r', '\n']).to_owned()
            }
            None if interactive => dialoguer::Password::new()
                .with_prompt(format!("Password of {domain}\\{user_name}"))
                .interact()
                .map_err(|dialoguer::Error::IO(error)| Failure::Stream(error))?,
            None => {
                let problem = "the password cannot be asked for, since stdin is not a terminal; give --password-file";
                return Err(Failure::Usage(problem.to_owned()));
            }
        };
        Ok(Some(Credentials {
            user_name,
            password,
            domain,
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn help(path: &[&str]) -> String {
        let mut command = Cli::command();
        command.build();
        let command = path
            .iter()
            .fold(&mut command, |command, name| command.find_subcommand_mut(name).unwrap());
        command.render_long_help().to_string()
    }

    #[test]
    fn the_grammar_holds_together() {
        Cli::command().debug_assert();
    }

    /// Calls with every command that is no noun.
    fn each_verb(command: &clap::Command, path: &str, seen: &mut impl FnMut(&str, &clap::Command)) {
        let below: Vec<_> = command
            .get_subcommands()
            .filter(|below| below.get_name() != "help")
            .collect();
        if below.is_empty() {
            seen(path, command);
        }
        for verb in below {
            each_verb(verb, &format!("{path} {}", verb.get_name()), seen);
        }
    }

    #[test]
    fn every_verb_and_argument_says_what_it_is() {
        let mut command = Cli::command();
        command.build();
        let mut count = 0;
        each_verb(&command, "wsfcctl", &mut |path, verb| {
            count += 1;
            assert!(verb.get_about().is_some(), "{path} has no help");
            for argument in verb.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{path}: {} has no help",
                    argument.get_id()
                );
            }
        });
        assert!(count > 100, "{count} verbs");
    }

    /// An argument with the id of a global one would be read as that one, by another type or for another meaning.
    #[test]
    fn no_argument_takes_the_place_of_a_global_one() {
        let plain = Cli::command();
        let globals: Vec<_> = plain
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(|argument| argument.get_id().clone())
            .collect();
        assert!(globals.len() > 8, "{globals:?}");
        let mut command = Cli::command();
        command.build();
        each_verb(&command, "wsfcctl", &mut |path, verb| {
            for argument in verb.get_arguments() {
                let taken = globals.contains(argument.get_id()) && !argument.is_global_set();
                assert!(!taken, "{path}: {}", argument.get_id());
            }
        });
    }

    #[test]
    fn help_is_pinned() {
        insta::assert_snapshot!("help", help(&[]));
        insta::assert_snapshot!("help_cluster", help(&["cluster"]));
        insta::assert_snapshot!("help_cluster_create", help(&["cluster", "create"]));
        insta::assert_snapshot!("help_node_add", help(&["node", "add"]));
        insta::assert_snapshot!("help_operation_watch", help(&["operation", "watch"]));
        insta::assert_snapshot!("help_context_set", help(&["context", "set"]));
        insta::assert_snapshot!("help_login", help(&["login"]));
        insta::assert_snapshot!("help_access", help(&["access"]));
        insta::assert_snapshot!("help_access_token", help(&["access", "token"]));
        for noun in [
            "node", "group", "resource", "network", "quorum", "volume", "registry", "property", "workload",
        ] {
            insta::assert_snapshot!(format!("help_{noun}"), help(&[noun]));
        }
        insta::assert_snapshot!("help_group_list", help(&["group", "list"]));
        insta::assert_snapshot!("help_group_move", help(&["group", "move"]));
        insta::assert_snapshot!("help_property_set", help(&["property", "set"]));
        insta::assert_snapshot!("help_workload_register", help(&["workload", "register"]));
        insta::assert_snapshot!("help_workload_run", help(&["workload", "run"]));
        insta::assert_snapshot!("help_watch", help(&["watch"]));
        insta::assert_snapshot!("help_wait", help(&["wait"]));
    }

    #[test]
    fn a_start_always_carries_a_request_id() {
        let flags = StartFlags {
            detach: false,
            validate_only: false,
            request_id: None,
            refuse_when_busy: true,
        };
        let options = flags.options();
        assert!(Uuid::parse_str(&options.request_id).is_ok());
        assert_eq!(options.busy_policy(), BusyPolicy::Refuse);
        let id = Uuid::new_v4();
        assert_eq!(
            StartFlags {
                request_id: Some(id),
                ..flags
            }
            .options()
            .request_id,
            id.to_string()
        );
    }

    #[test]
    fn a_password_comes_from_its_file_or_not_at_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word \r\n").unwrap();
        let mut flags = CredentialFlags {
            account: Some(parse_account("CORP\\anna").unwrap()),
            password_file: Some(file.path().to_owned()),
        };
        let credentials = flags.read(false).unwrap().unwrap();
        assert_eq!(credentials.password, "pass word ");
        assert_eq!(
            (credentials.domain.as_str(), credentials.user_name.as_str()),
            ("CORP", "anna")
        );
        flags.password_file = None;
        assert!(matches!(flags.read(false), Err(Failure::Usage(_))));
        assert!(parse_account("anna").is_err());
        assert!(parse_account("\\anna").is_err());
    }
}
