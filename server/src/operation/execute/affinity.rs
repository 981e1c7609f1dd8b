//! Verbs on affinity rules (facts 2.6).

use wsfc_clusapi::{AffinityRule, AffinityRuleType, Controlled as _, Error, Group, Win32};
use wsfc_proto::v1;

use super::scene::{End, Run, Scene, Stop, holds};
use super::states;

/// The rule of a name; nothing when there is none.
fn find(scene: &Scene<'_>, name: &str) -> Result<Option<AffinityRule>, Error> {
    if holds(&scene.cluster.affinity_rules()?, name) {
        return Ok(Some(scene.cluster.affinity_rule(name)?));
    }
    Ok(None)
}

pub(super) fn create(scene: &Scene<'_>, p: &v1::CreateAffinityRuleParameters) -> Run {
    if let Some(rule) = find(scene, &p.rule)? {
        // The type is told among the properties that can be changed, or among the others, as the server's version has it.
        let told = states::dword(&rule.common_properties()?, "RuleType").or_else(|| {
            let read_only = rule.read_only_properties().ok()?;
            states::dword(&read_only, "RuleType")
        });
        if told.and_then(|told| i32::try_from(told).ok()) == Some(p.r#type) {
            return Ok(End::unchanged(format!("There is a rule {:?} of this type.", p.rule)));
        }
        return Err(Stop::Api(Error::Call {
            function: "ClusterCreateAffinityRule",
            code: Win32::ERROR_OBJECT_ALREADY_EXISTS,
        }));
    }
    scene.begin()?;
    scene
        .cluster
        .create_affinity_rule(&p.rule, AffinityRuleType(p.r#type))?;
    Ok(End::done(format!("The affinity rule {:?} was created.", p.rule)))
}

pub(super) fn delete(scene: &Scene<'_>, p: &v1::DeleteAffinityRuleParameters) -> Run {
    if find(scene, &p.rule)?.is_none() {
        return Ok(End::unchanged(format!("There is no affinity rule {:?}.", p.rule)));
    }
    scene.begin()?;
    scene.cluster.delete_affinity_rule(&p.rule)?;
    Ok(End::done(format!("The affinity rule {:?} was deleted.", p.rule)))
}

/// Whether a rule, which names its groups, has a group.
fn has(rule: &AffinityRule, group: &Group) -> Result<bool, Error> {
    let groups = rule.groups()?;
    Ok(holds(&groups, &group.told_name()?) || holds(&groups, &group.told_id()?))
}

pub(super) fn add_group(scene: &Scene<'_>, p: &v1::AddGroupToAffinityRuleParameters) -> Run {
    let rule = scene.cluster.affinity_rule(&p.rule)?;
    let group = scene.cluster.open_group(&p.group)?;
    if has(&rule, &group)? {
        return Ok(End::unchanged(format!("The group is in rule {:?}.", p.rule)));
    }
    scene.begin()?;
    rule.add_group(&group)?;
    Ok(End::done(format!("The group {:?} is in rule {:?}.", p.group, p.rule)))
}

pub(super) fn remove_group(scene: &Scene<'_>, p: &v1::RemoveGroupFromAffinityRuleParameters) -> Run {
    let rule = scene.cluster.affinity_rule(&p.rule)?;
    let group = scene.cluster.open_group(&p.group)?;
    if !has(&rule, &group)? {
        return Ok(End::unchanged(format!("The group is not in rule {:?}.", p.rule)));
    }
    scene.begin()?;
    rule.remove_group(&group)?;
    Ok(End::done(format!(
        "The group {:?} is no longer in rule {:?}.",
        p.group, p.rule
    )))
}
