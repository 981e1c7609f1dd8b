//! The cluster database, saved and restored: calls that only old servers answer (facts 2.6).

use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, ChangeType};
use wsfc_tests::watching::gap;

use crate::stage::{CLUSTER, Stage, changed};

/// The file in the folder of a backup, as the simulator names it.
const FILE: &str = "CLUSDB.json";

#[tokio::test]
async fn a_restored_database_is_what_it_was_and_watchers_see_it() {
    let mut stage = Stage::with(|scenario| scenario.legacy_backup = true).await;
    stage.daemon.logs().expect("Changes of a cluster may have been missed");
    let folder = stage.daemon.data_dir().join("saved");
    let path = folder.to_str().unwrap().to_owned();
    let restore = v1::RestoreDatabaseParameters {
        cluster: CLUSTER.into(),
        path: path.clone(),
        force: true,
        quorum_drive_letter: "Q:".into(),
    };
    // Nothing is saved there yet.
    stage.refused(restore.clone(), 2).await;
    let back_up = v1::BackupDatabaseParameters {
        cluster: CLUSTER.into(),
        path,
    };
    stage.done(back_up).await;
    let rename = v1::RenameGroupParameters {
        cluster: CLUSTER.into(),
        group: "Files".into(),
        new_name: "Shares".into(),
    };
    stage.done(rename).await;
    let named =
        |name: &'static str| move |object: &Object| matches!(object, Object::Group(group) if group.name == name);
    stage.sees_object("the new name", named("Shares")).await;
    stage.done(restore.clone()).await;
    let missed = stage.sees("the gap", |event| changed(event, ChangeType::Gap)).await;
    assert_eq!(gap(&missed), Some("LOST_NOTIFICATIONS"));
    let back = stage.sees_object("the former name", named("Files")).await;
    assert_eq!(back.name_before, "Shares");
    // What is no backup changes nothing.
    std::fs::write(folder.join(FILE), "damaged").unwrap();
    stage.refused(restore, 5087).await;
    stage.finish().await;
}
