//! What resources report on their way: in words, and beside an operation that waits for them.

use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use wsfc_client::v1::{ResourceStatus, ResourceStatusSource, WatchStatusRequest, event};
use wsfc_client::{Client, Watch, WatchItem};

use crate::names::quoted;
use crate::phrases;

/// How long an operation waits for the statuses beside it to begin. They are a convenience, and nothing without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whose reports are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reporting<'a> {
    /// This resource, by name or id.
    Resource(&'a str),
    /// The resources of this group, by name.
    Group(&'a str),
}

/// What is reported from now on. Whatever goes wrong, as with a daemon that does not know the method, is an end without
/// a word: the operation tells the same, more coarsely.
pub(crate) async fn open(
    client: &Client,
    cluster: &str,
    reporting: Reporting<'_>,
) -> BoxStream<'static, ResourceStatus> {
    let (resources, group) = match reporting {
        Reporting::Resource(resource) => (vec![resource.to_owned()], None),
        Reporting::Group(group) => (Vec::new(), Some(group.to_lowercase())),
    };
    let mut watch = client.watch_status(WatchStatusRequest {
        cluster: cluster.to_owned(),
        resources,
        ..Default::default()
    });
    // The mark at the beginning shows that nothing of what follows is missed.
    match tokio::time::timeout(PATIENCE, watch.next()).await {
        Ok(Some(Ok(WatchItem::Mark { .. }))) => {}
        _ => return stream::empty().boxed(),
    }
    let statuses = stream::unfold(watch, |mut watch| async move {
        let status = next(&mut watch).await?;
        Some((status, watch))
    });
    let belongs = move |status: &ResourceStatus| {
        let belongs = group.as_ref().is_none_or(|group| status.group.to_lowercase() == *group);
        std::future::ready(belongs)
    };
    statuses.filter(belongs).boxed()
}

/// The next status; `None` when the watch has ended.
async fn next(watch: &mut Watch) -> Option<ResourceStatus> {
    loop {
        if let WatchItem::Event(event) = watch.next().await?.ok()?
            && let Some(event::Event::Cluster(change)) = event.event
            && let Some(status) = change.resource_status
        {
            return Some(status);
        }
    }
}

/// A status in words, without its percentage: `resource web: online pending: copying (check point 3)`.
pub(crate) fn sentence(status: &ResourceStatus) -> String {
    words(status, None)
}

/// The same with its percentage: `resource web: online pending 40%: copying (check point 3)`.
pub(crate) fn line(status: &ResourceStatus) -> String {
    words(status, status.percent)
}

fn words(status: &ResourceStatus, percent: Option<u32>) -> String {
    let mut text = format!(
        "resource {}: {}",
        quoted(&status.resource),
        phrases::resource_state(status.state)
    );
    if let Some(percent) = percent {
        text.push_str(&format!(" {percent}%"));
    }
    if !status.message.is_empty() {
        text.push_str(&format!(": {}", status.message));
    }
    let mut asides = Vec::new();
    if status.check_point > 0 {
        asides.push(format!("check point {}", status.check_point));
    }
    match status.source() {
        ResourceStatusSource::Daemon => asides.push("told by the daemon".to_owned()),
        ResourceStatusSource::ResourceDll => asides.push("told by the resource DLL".to_owned()),
        ResourceStatusSource::Unspecified | ResourceStatusSource::Agent => {}
    }
    if status.win32_code != 0 {
        asides.push(format!("code {}", status.win32_code));
    }
    match status.native_exit_state {
        None | Some(0) => {}
        Some(1) => asides.push("the cluster answered: stop at once".to_owned()),
        Some(other) => asides.push(format!("the cluster answered {other}")),
    }
    if !asides.is_empty() {
        text.push_str(&format!(" ({})", asides.join(", ")));
    }
    // The message is an agent's, and so may be anything.
    phrases::plain(&text)
}

#[cfg(test)]
mod tests {
    use wsfc_client::ConnectOptions;
    use wsfc_client::v1::ResourceState;

    use super::*;

    #[tokio::test]
    async fn without_statuses_there_is_an_end_and_no_error() {
        // There is no such host.
        let client = Client::lazy(ConnectOptions::new(["http://nowhere.invalid:1"])).unwrap();
        let mut statuses = open(&client, "CL1", Reporting::Group("web")).await;
        assert_eq!(statuses.next().await, None);
    }

    #[test]
    fn a_status_says_how_far_it_is_who_says_it_and_what_the_cluster_answered() {
        let pending = ResourceStatus {
            resource: "web 1".to_owned(),
            state: ResourceState::OnlinePending.into(),
            check_point: 3,
            percent: Some(40),
            message: "copying".to_owned(),
            native_exit_state: Some(0),
            source: ResourceStatusSource::Agent.into(),
            ..Default::default()
        };
        assert_eq!(
            line(&pending),
            "resource \"web 1\": online pending 40%: copying (check point 3)"
        );
        let steering = ResourceStatus {
            message: "\u{1b}[2Jgone\nresource db: online\u{9b}".to_owned(),
            ..pending.clone()
        };
        assert_eq!(
            sentence(&steering),
            "resource \"web 1\": online pending: \u{fffd}[2Jgone resource db: online\u{fffd} (check point 3)"
        );
        let failed = ResourceStatus {
            state: ResourceState::Failed.into(),
            check_point: 0,
            percent: None,
            message: "no status came in time".to_owned(),
            source: ResourceStatusSource::Daemon.into(),
            win32_code: 5018,
            native_exit_state: Some(1),
            ..pending
        };
        assert_eq!(
            sentence(&failed),
            "resource \"web 1\": failed: no status came in time \
             (told by the daemon, code 5018, the cluster answered: stop at once)"
        );
    }
}
