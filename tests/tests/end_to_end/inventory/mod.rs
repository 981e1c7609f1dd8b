//! Reads from the inventory: what a cluster consists of, page by page and one by one.

mod lists;
mod objects;

use futures_util::TryStreamExt as _;
use wsfc_client::{Client, Error, ListRequest, Reason};
use wsfc_tests::{TestDaemon, world};

/// A daemon that observes the cluster "prod", on whose nodes it runs.
pub(super) async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

#[track_caller]
pub(super) fn not_found<T: std::fmt::Debug>(answer: Result<T, Error>, name: &str) {
    let error = answer.unwrap_err();
    let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::ObjectNotFound, tonic::Code::NotFound)
    );
    assert_eq!(
        rejection.metadata.get("object").map(String::as_str),
        Some(name),
        "{rejection:?}"
    );
}

#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, reason: Reason) {
    let error = answer.unwrap_err();
    let rejection = error.rejection().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&reason, tonic::Code::InvalidArgument)
    );
}

pub(super) fn names<'o, T>(items: &'o [T], name: impl Fn(&'o T) -> &'o str) -> Vec<&'o str> {
    items.iter().map(name).collect()
}

/// Everything that a list has, over pages of this size.
pub(super) async fn pages<R: ListRequest>(client: &Client, request: R) -> Vec<R::Item> {
    client.list_all(request).try_collect().await.unwrap()
}
