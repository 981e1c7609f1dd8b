//! Verbs on whole clusters (facts 2.6).

use wsfc_clusapi::Accepted;
use wsfc_proto::v1;

use super::scene::{End, Run, Scene};

pub(super) fn rename(scene: &Scene<'_>, p: &v1::RenameClusterParameters) -> Run {
    // The cluster answers 5024 even to its own name (facts 2.6), so the daemon compares.
    if scene.name == p.new_name {
        return Ok(End::unchanged(format!("The cluster is named {:?}.", p.new_name)));
    }
    scene.begin()?;
    let stored = scene.cluster.rename(&p.new_name)?;
    Ok(End::stored(
        stored,
        format!("The cluster is to be named {:?}.", p.new_name),
    ))
}

pub(super) fn shut_down(scene: &Scene<'_>) -> Run {
    scene.begin()?;
    Ok(End::done(match scene.cluster.shut_down()? {
        Accepted::Done => "The cluster service was stopped on every node.",
        Accepted::Pending => "The cluster service stops on every node.",
    }))
}

pub(super) fn back_up(scene: &Scene<'_>, p: &v1::BackupDatabaseParameters) -> Run {
    scene.begin()?;
    scene.cluster.back_up_database(&p.path)?;
    Ok(End::done(format!("The cluster database was saved to {:?}.", p.path)))
}

pub(super) fn restore(scene: &Scene<'_>, p: &v1::RestoreDatabaseParameters) -> Run {
    scene.begin()?;
    let drive = (!p.quorum_drive_letter.is_empty()).then_some(p.quorum_drive_letter.as_str());
    scene.cluster.api().restore_database(&p.path, p.force, drive)?;
    Ok(End::done(format!(
        "The cluster database was restored from {:?}.",
        p.path
    )))
}
