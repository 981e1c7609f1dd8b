//! The common shape of the verbs that change something: what is asked, what it is called, whether to ask first.

use futures_util::{StreamExt as _, stream};
use wsfc_client::v1::StartOptions;
use wsfc_client::{Parameters, StartRequest};

use crate::cli::StartFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::session::Session;
use crate::start::start_beside;
use crate::statuses::{self, Reporting};

/// A verb that starts an operation.
pub(crate) trait Change {
    /// The request that it makes.
    type Request: StartRequest + Parameters<Request = Self::Request>;

    /// How the operation is started.
    fn flags(&self) -> &StartFlags;

    /// What it does, for people, for example "move group SQL to n2".
    fn action(&self) -> String;

    /// What to ask before, and whether the person agreed beforehand; `None` for verbs that do no harm.
    fn question(&self) -> Option<(String, bool)>;

    /// The request.
    fn request(&self, cluster: &str, options: StartOptions) -> Self::Request;
}

/// Carries a verb out.
pub(crate) async fn change<C: Change>(verb: &C, session: &mut Session<'_>) -> Result<Exit, Failure> {
    change_beside(verb, None, session).await
}

/// The same, and shows what these resources report meanwhile.
pub(crate) async fn change_beside<C: Change>(
    verb: &C,
    reporting: Option<Reporting<'_>>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let mut action = verb.action();
    if !cluster.is_empty() {
        action.push_str(&format!(" in cluster {}", quoted(&cluster)));
    }
    if let Some((question, agreed)) = verb.question() {
        let agreed = agreed || verb.flags().validate_only;
        session.terminal.confirm(&format!("{question} Go on?"), agreed)?;
    }
    let client = session.connect(&action).await?;
    let flags = verb.flags();
    let shown = !flags.detach && !flags.validate_only && !session.globals.output.is_machine();
    let statuses = match reporting.filter(|_| shown) {
        Some(reporting) => statuses::open(&client, &cluster, reporting).await,
        None => stream::pending().boxed(),
    };
    let request = |options| verb.request(&cluster, options);
    start_beside(session, &client, flags, &action, request, statuses).await
}

/// Makes the arguments of verbs and their [`Change`]. For each: the arguments, which are the fields of the parameters
/// but for the cluster, what it does in words, and, after `yes if`, the question to ask, if there is one to ask.
macro_rules! changes {
    ($(
        $(#[$meta:meta])*
        $name:ident($parameters:ident): $action:expr;
        $($yes:ident if $question:expr;)?
        { $($(#[$argument:meta])* $field:ident: $type:ty,)* }
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, clap::Args)]
            pub(crate) struct $name {
                $($(#[$argument])* $field: $type,)*
                $(
                    /// Do not ask.
                    #[arg(long, short)]
                    $yes: bool,
                )?
                #[command(flatten)]
                start: $crate::cli::StartFlags,
            }

            impl $crate::change::Change for $name {
                type Request = <wsfc_client::v1::$parameters as wsfc_client::Parameters>::Request;

                fn flags(&self) -> &$crate::cli::StartFlags {
                    &self.start
                }

                fn action(&self) -> String {
                    let Self { $($field,)* .. } = self;
                    $(let _ = $field;)*
                    $action
                }

                fn question(&self) -> Option<(String, bool)> {
                    let Self { $($field,)* .. } = self;
                    $(let _ = $field;)*
                    let asked: Option<(Option<String>, bool)> = None $(.or(Some(($question, self.$yes))))?;
                    asked.and_then(|(question, agreed)| Some((question?, agreed)))
                }

                fn request(&self, cluster: &str, options: wsfc_client::v1::StartOptions) -> Self::Request {
                    let parameters = wsfc_client::v1::$parameters {
                        cluster: cluster.to_owned(),
                        $($field: self.$field.clone().into(),)*
                    };
                    let mut request = wsfc_client::Parameters::into_request(parameters);
                    request.options = Some(options);
                    request
                }
            }
        )*
    };
}

pub(crate) use changes;

/// The end of an action that may name a node.
pub(crate) fn to(node: &str) -> String {
    if node.is_empty() {
        String::new()
    } else {
        format!(" to {}", quoted(node))
    }
}
