//! Verbs on the access to a cluster (facts 2.6).

use wsfc_clusapi::{AccountAccess, Error};
use wsfc_proto::v1;
use wsfc_proto::v1::{AccessEntry, AccessRight};

use super::scene::{End, Run, Scene, same};
use crate::operation::security;

/// Who may use the cluster, in the order of its security descriptor.
fn entries(scene: &Scene<'_>) -> Result<Vec<AccessEntry>, Error> {
    // A descriptor that cannot be read says nothing, and then the call is made.
    let descriptor = security::of_cluster(scene.cluster)?;
    Ok(security::entries(&descriptor).unwrap_or_default())
}

pub(super) fn grant(scene: &Scene<'_>, p: &v1::GrantAccessParameters) -> Run {
    set(scene, &p.account, p.right(), AccountAccess::ALLOW)
}

pub(super) fn block(scene: &Scene<'_>, p: &v1::BlockAccessParameters) -> Run {
    set(scene, &p.account, p.right(), AccountAccess::DENY)
}

fn set(scene: &Scene<'_>, account: &str, right: AccessRight, how: AccountAccess) -> Run {
    let denied = how == AccountAccess::DENY;
    let word = if denied { "denied" } else { "allowed" };
    let right_text = right.as_str_name().trim_start_matches("ACCESS_RIGHT_");
    // Entries that allow and those that deny stand beside each other.
    let mut of_account = entries(scene)?
        .into_iter()
        .filter(|entry| same(&entry.account, account) && entry.denied == denied);
    if let (Some(entry), None) = (of_account.next(), of_account.next())
        && entry.right() == right
    {
        return Ok(End::unchanged(format!("{account} is {word} {right_text}.")));
    }
    scene.begin()?;
    let access = u32::try_from(i32::from(right)).unwrap_or_default();
    scene.cluster.set_account_access(account, access, how)?;
    Ok(End::done(format!("{account} is {word} {right_text}.")))
}

pub(super) fn remove(scene: &Scene<'_>, p: &v1::RemoveAccessParameters) -> Run {
    let descriptor = security::of_cluster(scene.cluster)?;
    let entries = security::entries(&descriptor);
    if entries.is_some_and(|entries| !entries.iter().any(|entry| same(&entry.account, &p.account))) {
        return Ok(End::unchanged(format!("{} has no entry.", p.account)));
    }
    scene.begin()?;
    scene.cluster.set_account_access(&p.account, 0, AccountAccess::REMOVE)?;
    Ok(End::done(format!("{} has no entry any more.", p.account)))
}
