//! Who may use a cluster.

use wsfc_client::v1::{self, AccessRight, ChangeType, ObjectKind};
use wsfc_client::{Reason, object};

use crate::stage::{CLUSTER, Stage, changed};

const ALICE: &str = "S-1-5-21-1-2-3-1001";
const BOB: &str = "S-1-5-21-1-2-3-1002";

fn grant(account: &str, right: AccessRight) -> v1::GrantAccessParameters {
    v1::GrantAccessParameters {
        cluster: CLUSTER.into(),
        account: account.into(),
        right: right.into(),
    }
}

fn block(account: &str, right: AccessRight) -> v1::BlockAccessParameters {
    v1::BlockAccessParameters {
        cluster: CLUSTER.into(),
        account: account.into(),
        right: right.into(),
    }
}

fn remove(account: &str) -> v1::RemoveAccessParameters {
    v1::RemoveAccessParameters {
        cluster: CLUSTER.into(),
        account: account.into(),
    }
}

/// What an account may do, and whether it is denied.
async fn entries(stage: &Stage, account: &str) -> Vec<(AccessRight, bool)> {
    let cluster = CLUSTER.into();
    let list = stage
        .client
        .list_access(v1::ListAccessRequest { cluster })
        .await
        .unwrap();
    assert!(!list.security_descriptor.is_empty());
    let of_account = list.entries.iter().filter(|entry| entry.account == account);
    of_account.map(|entry| (entry.right(), entry.denied)).collect()
}

async fn sees_change(stage: &mut Stage) {
    stage
        .sees("the change of the cluster's properties", |event| {
            changed(event, ChangeType::Properties)
                && event.object.as_ref().map(object::kind) == Some(ObjectKind::Cluster)
        })
        .await;
}

#[tokio::test]
async fn accounts_are_let_in_kept_out_and_forgotten() {
    let mut stage = Stage::production().await;
    let administrators = entries(&stage, "S-1-5-32-544").await;
    assert_eq!(administrators, [(AccessRight::Full, false)]);
    stage.done_once(grant(ALICE, AccessRight::Read)).await;
    sees_change(&mut stage).await;
    assert_eq!(entries(&stage, ALICE).await, [(AccessRight::Read, false)]);
    // A greater right takes its place.
    stage.done_once(grant(ALICE, AccessRight::Full)).await;
    sees_change(&mut stage).await;
    assert_eq!(entries(&stage, ALICE).await, [(AccessRight::Full, false)]);
    stage.done_once(block(BOB, AccessRight::Full)).await;
    sees_change(&mut stage).await;
    assert_eq!(entries(&stage, BOB).await, [(AccessRight::Full, true)]);
    stage.done_once(remove(BOB)).await;
    sees_change(&mut stage).await;
    assert_eq!(entries(&stage, BOB).await, []);
    assert_eq!(entries(&stage, ALICE).await, [(AccessRight::Full, false)]);
    stage.finish().await;
}

#[tokio::test]
async fn who_was_let_in_can_be_kept_out() {
    let stage = Stage::production().await;
    stage.done(grant(ALICE, AccessRight::Full)).await;
    stage.done_once(block(ALICE, AccessRight::Change)).await;
    assert!(entries(&stage, ALICE).await.contains(&(AccessRight::Change, true)));
    stage.done_once(remove(ALICE)).await;
    assert_eq!(entries(&stage, ALICE).await, []);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_no_account_is_refused() {
    let stage = Stage::production().await;
    for account in ["", "Everyone", "CORP\\alice", "S-1-5-x"] {
        stage
            .not_begun(grant(account, AccessRight::Read), &Reason::InvalidField)
            .await;
        stage.not_begun(remove(account), &Reason::InvalidField).await;
    }
    stage
        .not_begun(grant(ALICE, AccessRight::Unspecified), &Reason::InvalidField)
        .await;
    stage.unchanged(remove(ALICE)).await;
    stage.finish().await;
}
