//! Why a command did not do what it was asked, and how that is told.

use std::io::{self, Write};

use wsfc_client::{Error, Reason, Rejection, Status};
use wsfc_simulator::remote::RemoteError;

use crate::contexts;
use crate::exit::Exit;
use crate::phrases;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A call of the daemon failed.
    #[error("cannot {action}")]
    Call {
        /// What was to be done, for example "add node n4 to CL1".
        action: String,
        #[source]
        source: Error,
    },
    /// A start may have been accepted, and nobody knows: the answer did not come.
    #[error("cannot tell whether the daemon began to {action}")]
    StartUnknown {
        action: String,
        /// Attaches to the operation, if there is one.
        request_id: String,
        #[source]
        source: Error,
    },
    /// Ctrl-C before the daemon had answered a start.
    #[error("stopped before the daemon answered whether it began to {action}")]
    StartLeft { action: String, request_id: String },
    /// The file with the contexts.
    #[error(transparent)]
    Contexts(#[from] contexts::Error),
    /// A file named on the command line.
    #[error("cannot read {path}")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    /// A certificate or key that a login keeps.
    #[error("cannot write {path}")]
    Credentials {
        path: String,
        #[source]
        source: io::Error,
    },
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The person did not agree.
    #[error("not confirmed, nothing was done")]
    NotConfirmed,
    /// A question needs a person, and stdin is not a terminal.
    #[error("this needs a confirmation, and stdin is not a terminal; give --yes if you are sure")]
    CannotAsk,
    /// Input or output of the program.
    #[error("cannot read or write")]
    Stream(#[from] io::Error),
    /// A message cannot be shown in the chosen format.
    #[error("cannot show the answer")]
    Format(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody listens where the simulated world should be steered from.
    #[error(
        "no simulated world is steered from {address}; start wsfcd with `--set cluster_api.simulated_control={address}`"
    )]
    NoSimulation {
        address: std::net::SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The simulated world did not do it.
    #[error("the simulated world could not be steered")]
    Steer {
        #[source]
        source: RemoteError,
    },
    /// The program cannot begin.
    #[error("cannot start the asynchronous runtime")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// The code that the program ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Call { source, .. } | Self::StartUnknown { source, .. } => exit_of(source),
            Self::StartLeft { .. } => Exit::CtrlC,
            Self::NoSimulation { .. } => Exit::Unreachable,
            Self::Steer {
                source: RemoteError::Refused { .. },
            } => Exit::Refused,
            Self::Steer { .. } => Exit::Unreachable,
            Self::Stream(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::OutputClosed,
            Self::Contexts(_)
            | Self::File { .. }
            | Self::Credentials { .. }
            | Self::Usage(_)
            | Self::NotConfirmed
            | Self::CannotAsk
            | Self::Stream(_)
            | Self::Format(_)
            | Self::Runtime(_) => Exit::Usage,
        }
    }

    /// Tells what failed, on what, the native code and what to do next.
    pub(crate) fn tell(&self, err: &mut dyn Write) -> io::Result<()> {
        if self.exit() == Exit::OutputClosed {
            return Ok(());
        }
        match self {
            Self::Call { source, .. } => tell_call(err, &self.to_string(), source),
            Self::StartUnknown { source, request_id, .. } => {
                tell_call(err, &self.to_string(), source)?;
                attach_hint(err, request_id)
            }
            Self::StartLeft { request_id, .. } => {
                headline(err, &self.to_string())?;
                attach_hint(err, request_id)
            }
            // Of the program and its files: lines that point at a place in one stay lines.
            other => writeln!(err, "error: {}", phrases::plain_lines(&causes(other))),
        }
    }
}

fn attach_hint(err: &mut dyn Write, request_id: &str) -> io::Result<()> {
    detail(
        err,
        "next",
        &format!("the same command with --request-id {request_id} attaches, and never starts twice"),
    )
}

fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Invalid { .. } | Error::SecretInPlain { .. } => Exit::Usage,
        Error::Connect { .. } | Error::Disconnected { .. } | Error::TimedOut { .. } => Exit::Unreachable,
        Error::Rejected { rejection, .. } => exit_of_rejection(rejection),
        Error::Gap { .. } | Error::StoreChanged { .. } | Error::WatchStoreChanged { .. } | Error::Malformed { .. } => {
            Exit::Untrustworthy
        }
        _ => Exit::Refused,
    }
}

fn exit_of_rejection(rejection: &Rejection) -> Exit {
    match rejection.reason {
        Reason::StoreReplaced | Reason::RecordDamaged | Reason::RevisionCompacted | Reason::RevisionInFuture => {
            Exit::Untrustworthy
        }
        Reason::ShuttingDown | Reason::Overloaded | Reason::TimedOut => Exit::Unreachable,
        _ if rejection.code == wsfc_client::Code::NotFound => Exit::NotFound,
        _ => Exit::Refused,
    }
}

fn tell_call(err: &mut dyn Write, what: &str, error: &Error) -> io::Result<()> {
    match error {
        Error::Rejected { rejection, .. } => {
            headline(err, &format!("{what}: {}", rejection.message))?;
            for violation in &rejection.fields {
                detail(err, "field", &format!("{}: {}", violation.field, violation.description))?;
            }
            if let Some(native) = &rejection.native {
                let function = if native.function.is_empty() {
                    String::new()
                } else {
                    format!(" from {}", native.function)
                };
                let code = format!("{} {}", native.code, native.name);
                detail(err, "code", &format!("{}{function}", code.trim_end()))?;
            }
            detail(err, "reason", &rejection.reason.to_string())?;
            let named = rejection.metadata.get("operation_id");
            if let Some(operation_id) = named.filter(|_| rejection.reason != Reason::OperationNotFound) {
                detail(err, "see", &format!("wsfcctl operation get {operation_id}"))?;
            }
            match rejection.reason.user_action() {
                Some(action) => detail(err, "next", action),
                None => Ok(()),
            }
        }
        Error::Connect { failures } => {
            headline(err, &format!("{what}: no endpoint answers"))?;
            for failure in failures {
                detail(
                    err,
                    "tried",
                    &format!("{}: {}", failure.endpoint, causes(failure.error.as_ref())),
                )?;
            }
            detail(
                err,
                "next",
                "check that wsfcd runs there; `wsfcctl context show` tells which endpoint is used",
            )
        }
        Error::TimedOut { last: Some(last), .. } => {
            headline(err, &format!("{what}: {error}"))?;
            detail(err, "last", &causes(last.as_ref()))?;
            detail(
                err,
                "next",
                "check that wsfcd runs, or give it more time with --timeout",
            )
        }
        Error::SecretInPlain { .. } => {
            headline(err, &format!("{what}: {error}"))?;
            let next = "log in with `wsfcctl login HOST`, give an https endpoint, or use the local endpoint on the daemon's \
                host, as an administrator of it; only for a simulated world: --secrets-in-plain";
            detail(err, "next", next)
        }
        Error::NotAwaited { .. } => {
            headline(err, &format!("{what}: {error}"))?;
            let next = "ask an administrator of the daemon for a new one: wsfcctl access token --name NAME --role ROLE";
            detail(err, "next", next)
        }
        other => headline(err, &format!("{what}: {}", causes(other))),
    }
}

/// The line of an error. What a daemon says may be anything, as may who only has its port.
fn headline(err: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(err, "error: {}", phrases::plain(text))
}

/// One line below an error.
fn detail(err: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(err, "  {label:<7} {}", phrases::plain(text))
}

/// An error with its causes, on one line that steers no terminal.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    phrases::plain(&causes(error))
}

/// An error with its causes as they are; a cause that only repeats what is there already is left out.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // A status would repeat its code in words and its message in quotes.
        let more = next
            .downcast_ref::<Status>()
            .map_or_else(|| next.to_string(), |status| status.message().to_owned());
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn rejected(
        code: Code,
        message: &str,
        reason: &str,
        metadata: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Failure {
        let mut details = ErrorDetails::new();
        let metadata = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let metadata: std::collections::HashMap<_, _> = metadata.collect();
        details.set_error_info(reason, "wsfc.v1", metadata);
        for (field, description) in fields {
            details.add_bad_request_violation(*field, *description);
        }
        let status = Status::with_error_details(code, message, details);
        Failure::Call {
            action: "add node n4 to CL1".to_owned(),
            source: Error::from_status("AddNode", status),
        }
    }

    fn told(failure: &Failure) -> String {
        let mut text = Vec::new();
        failure.tell(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_native_code_is_told_with_its_function() {
        let metadata = [
            ("win32_code", "5065"),
            ("win32_name", "ERROR_CLUSTER_NODE_ALREADY_MEMBER"),
            ("function", "AddClusterNode"),
        ];
        let message = "the node is a member already";
        let failure = rejected(
            Code::AlreadyExists,
            message,
            "ERROR_CLUSTER_NODE_ALREADY_MEMBER",
            &metadata,
            &[],
        );
        insta::assert_snapshot!(told(&failure));
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn field_errors_are_told_one_by_one() {
        let fields = [("node.node", "is empty"), ("options.request_id", "is not a UUID")];
        let failure = rejected(
            Code::InvalidArgument,
            "2 fields are wrong",
            "INVALID_FIELD",
            &[],
            &fields,
        );
        insta::assert_snapshot!(told(&failure));
    }

    #[test]
    fn what_a_daemon_says_does_not_steer_the_terminal() {
        let esc = |text: &str| format!("{text}\u{1b}[2J\r\nerror: all is well\u{9b}H");
        let native = esc("native");
        let metadata = [
            ("win32_code", "1"),
            ("win32_name", native.as_str()),
            ("operation_id", native.as_str()),
        ];
        let fields = [(native.as_str(), native.as_str())];
        let failure = rejected(Code::Aborted, &esc("busy"), &esc("REASON"), &metadata, &fields);
        let lost = Failure::Call {
            action: "list clusters".to_owned(),
            source: Error::from_status("ListClusters", Status::unknown(esc("gone"))),
        };
        for text in [told(&failure), told(&lost)] {
            assert!(text.lines().skip(1).all(|line| line.starts_with("  ")), "{text:?}");
            let steers = |letter: char| letter.is_control() && letter != '\n';
            assert!(!text.contains(steers), "{text:?}");
        }
    }

    #[test]
    fn the_operation_in_the_way_is_named() {
        let metadata = [("operation_id", "8f14e45f")];
        let failure = rejected(Code::Aborted, "CL1 is busy", "CLUSTER_BUSY", &metadata, &[]);
        insta::assert_snapshot!(told(&failure));
    }

    #[test]
    fn an_unreachable_daemon_is_told_with_each_endpoint() {
        let refused = || Box::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        let failures = vec![
            wsfc_client::ConnectFailure {
                endpoint: "http://a:7443".to_owned(),
                error: refused(),
            },
            wsfc_client::ConnectFailure {
                endpoint: "http://b:7443".to_owned(),
                error: refused(),
            },
        ];
        let failure = Failure::Call {
            action: "list clusters".to_owned(),
            source: Error::Connect { failures },
        };
        insta::assert_snapshot!(told(&failure));
        assert_eq!(failure.exit(), Exit::Unreachable);
    }

    #[test]
    fn a_token_that_nobody_awaits_is_told_with_who_gives_another() {
        let failure = Failure::Call {
            action: "log in at n1".to_owned(),
            source: Error::NotAwaited {
                endpoint: "https://n1:7443".to_owned(),
            },
        };
        insta::assert_snapshot!(told(&failure), @r"
        error: cannot log in at n1: https://n1:7443 lets in only who shows a certificate, so no join token waits there: this one was used or revoked, or its time is over
          next    ask an administrator of the daemon for a new one: wsfcctl access token --name NAME --role ROLE
        ");
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn a_secret_that_is_not_sent_is_told_with_where_it_would_be() {
        let failure = Failure::Call {
            action: "create cluster CL1".to_owned(),
            source: Error::SecretInPlain {
                method: "CreateCluster",
                field: "credentials",
                endpoint: "http://127.0.0.1:7443".to_owned(),
            },
        };
        insta::assert_snapshot!(told(&failure), @r"
        error: cannot create cluster CL1: CreateCluster is not sent: its credentials would go over plain TCP to http://127.0.0.1:7443, where others can be in the daemon's place
          next    log in with `wsfcctl login HOST`, give an https endpoint, or use the local endpoint on the daemon's host, as an administrator of it; only for a simulated world: --secrets-in-plain
        ");
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn a_start_without_answer_says_how_to_attach() {
        let source = Error::TimedOut {
            method: "AddNode",
            after: std::time::Duration::from_secs(30),
            last: None,
        };
        let failure = Failure::StartUnknown {
            action: "add node n4 to CL1".to_owned(),
            request_id: "77de".to_owned(),
            source,
        };
        insta::assert_snapshot!(told(&failure));
        assert_eq!(failure.exit(), Exit::Unreachable);
    }

    #[test]
    fn a_chain_says_nothing_twice() {
        let Failure::Call { source, .. } = rejected(Code::Unavailable, "stopping", "SHUTTING_DOWN", &[], &[]) else {
            panic!("a rejection is a failed call");
        };
        assert_eq!(chain(&source), "AddNode was rejected: stopping [SHUTTING_DOWN]");
    }

    #[test]
    fn codes_tell_the_kinds_apart() {
        let exit = |code, reason| rejected(code, "", reason, &[], &[]).exit();
        assert_eq!(exit(Code::NotFound, "OPERATION_NOT_FOUND"), Exit::NotFound);
        assert_eq!(exit(Code::FailedPrecondition, "STORE_REPLACED"), Exit::Untrustworthy);
        assert_eq!(exit(Code::Unavailable, "SHUTTING_DOWN"), Exit::Unreachable);
        assert_eq!(exit(Code::DeadlineExceeded, "TIMED_OUT"), Exit::Unreachable);
        assert_eq!(exit(Code::Unavailable, "RPC_S_SERVER_UNAVAILABLE"), Exit::Refused);
        let pipe = Failure::Stream(io::ErrorKind::BrokenPipe.into());
        assert_eq!((pipe.exit(), told(&pipe).as_str()), (Exit::OutputClosed, ""));
    }
}
