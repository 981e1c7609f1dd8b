//! Verbs on group sets, and on what waits for what (facts 2.6).

use wsfc_clusapi::{AvailabilitySet, Controlled as _, Error, Group, GroupSet};
use wsfc_proto::v1;

use super::scene::{End, Run, Scene, found, holds};

/// Opens a set by its name; nothing when there is none.
fn open(scene: &Scene<'_>, name: &str) -> Result<Option<GroupSet>, Error> {
    // The list decides, since the code for a set that is not there is a guess.
    if !holds(&scene.cluster.group_sets()?, name) {
        return Ok(None);
    }
    found(scene.cluster.open_group_set(name))
}

pub(super) fn create(scene: &Scene<'_>, p: &v1::CreateGroupSetParameters) -> Run {
    if open(scene, &p.group_set)?.is_some() {
        return Ok(End::unchanged(format!("There is a group set {:?}.", p.group_set)));
    }
    scene.begin()?;
    scene.cluster.create_group_set(&p.group_set)?;
    Ok(End::done(format!("The group set {:?} was created.", p.group_set)))
}

pub(super) fn create_availability_set(scene: &Scene<'_>, p: &v1::CreateAvailabilitySetParameters) -> Run {
    if open(scene, &p.group_set)?.is_some() {
        return Ok(End::unchanged(format!("There is a group set {:?}.", p.group_set)));
    }
    scene.begin()?;
    let set = AvailabilitySet {
        update_domains: p.update_domains,
        fault_domains: p.fault_domains,
        reserve_spare_node: p.reserve_spare_node,
    };
    scene.cluster.create_availability_set(&p.group_set, set)?;
    Ok(End::done(format!(
        "The availability set {:?} was created.",
        p.group_set
    )))
}

pub(super) fn delete(scene: &Scene<'_>, p: &v1::DeleteGroupSetParameters) -> Run {
    let Some(set) = open(scene, &p.group_set)? else {
        return Ok(End::unchanged(format!("There is no group set {:?}.", p.group_set)));
    };
    scene.begin()?;
    set.delete()?;
    Ok(End::done(format!(
        "The group set {:?} was deleted; its groups stay.",
        p.group_set
    )))
}

/// Whether a list of groups, by names or ids, holds a group.
fn holds_group(groups: &[String], group: &Group) -> Result<bool, Error> {
    Ok(holds(groups, &group.told_name()?) || holds(groups, &group.told_id()?))
}

/// Whether a list of group sets, by names or ids, holds a set.
fn holds_set(sets: &[String], set: &GroupSet, name: &str) -> bool {
    holds(sets, name) || set.told_id().is_ok_and(|id| holds(sets, &id))
}

pub(super) fn add_group(scene: &Scene<'_>, p: &v1::AddGroupToSetParameters) -> Run {
    let set = scene.cluster.open_group_set(&p.group_set)?;
    let group = scene.cluster.open_group(&p.group)?;
    if holds_group(&set.groups()?, &group)? {
        return Ok(End::unchanged(format!("The group is in {:?}.", p.group_set)));
    }
    scene.begin()?;
    match (p.fault_domain, p.update_domain) {
        (None, None) => set.add_group(&group)?,
        (fault, update) => set.add_group_in_domains(&group, fault.unwrap_or(0), update.unwrap_or(0))?,
    }
    Ok(End::done(format!("The group {:?} is in {:?}.", p.group, p.group_set)))
}

pub(super) fn remove_group(scene: &Scene<'_>, p: &v1::RemoveGroupFromSetParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    let mut member = false;
    for name in scene.cluster.group_sets()? {
        if let Some(set) = found(scene.cluster.open_group_set(&name))? {
            member |= holds_group(&set.groups()?, &group)?;
        }
    }
    if !member {
        return Ok(End::unchanged(format!("The group {:?} is in no set.", p.group)));
    }
    scene.begin()?;
    group.leave_set()?;
    Ok(End::done(format!("The group {:?} is in no set any more.", p.group)))
}

pub(super) fn add_dependency(scene: &Scene<'_>, p: &v1::AddGroupSetDependencyParameters) -> Run {
    let set = scene.cluster.open_group_set(&p.group_set)?;
    let provider = scene.cluster.open_group_set(&p.provider_set)?;
    if holds_set(&set.provider_sets()?, &provider, &p.provider_set) {
        return Ok(End::unchanged(format!("The set depends on {:?}.", p.provider_set)));
    }
    scene.begin()?;
    set.add_dependency(&provider)?;
    Ok(End::done(format!("{:?} depends on {:?}.", p.group_set, p.provider_set)))
}

pub(super) fn remove_dependency(scene: &Scene<'_>, p: &v1::RemoveGroupSetDependencyParameters) -> Run {
    let set = scene.cluster.open_group_set(&p.group_set)?;
    let Some(provider) = open(scene, &p.provider_set)? else {
        return Ok(End::unchanged(format!("There is no group set {:?}.", p.provider_set)));
    };
    if !holds_set(&set.provider_sets()?, &provider, &p.provider_set) {
        return Ok(End::unchanged(format!(
            "The set does not depend on {:?}.",
            p.provider_set
        )));
    }
    scene.begin()?;
    set.remove_dependency(&provider)?;
    Ok(End::done(format!(
        "{:?} no longer depends on {:?}.",
        p.group_set, p.provider_set
    )))
}

pub(super) fn add_group_dependency(scene: &Scene<'_>, p: &v1::AddGroupDependencyParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    if p.provider_set.is_empty() {
        let provider = scene.cluster.open_group(&p.provider_group)?;
        if holds_group(&group.provider_groups()?, &provider)? {
            return Ok(End::unchanged(format!("The group depends on {:?}.", p.provider_group)));
        }
        scene.begin()?;
        group.add_dependency(&provider)?;
        return Ok(End::done(format!("{:?} depends on {:?}.", p.group, p.provider_group)));
    }
    let provider = scene.cluster.open_group_set(&p.provider_set)?;
    if holds_set(&group.provider_sets()?, &provider, &p.provider_set) {
        return Ok(End::unchanged(format!("The group depends on {:?}.", p.provider_set)));
    }
    scene.begin()?;
    group.add_set_dependency(&provider)?;
    Ok(End::done(format!("{:?} depends on {:?}.", p.group, p.provider_set)))
}

pub(super) fn remove_group_dependency(scene: &Scene<'_>, p: &v1::RemoveGroupDependencyParameters) -> Run {
    let group = scene.cluster.open_group(&p.group)?;
    if p.provider_set.is_empty() {
        let provider = found(scene.cluster.open_group(&p.provider_group))?;
        let depends = match &provider {
            Some(provider) => holds_group(&group.provider_groups()?, provider)?,
            None => false,
        };
        let Some(provider) = provider.filter(|_| depends) else {
            return Ok(End::unchanged(format!(
                "The group does not depend on {:?}.",
                p.provider_group
            )));
        };
        scene.begin()?;
        group.remove_dependency(&provider)?;
        return Ok(End::done(format!(
            "{:?} no longer depends on {:?}.",
            p.group, p.provider_group
        )));
    }
    let provider = open(scene, &p.provider_set)?;
    let depends = match &provider {
        Some(provider) => holds_set(&group.provider_sets()?, provider, &p.provider_set),
        None => false,
    };
    let Some(provider) = provider.filter(|_| depends) else {
        return Ok(End::unchanged(format!(
            "The group does not depend on {:?}.",
            p.provider_set
        )));
    };
    scene.begin()?;
    group.remove_set_dependency(&provider)?;
    Ok(End::done(format!(
        "{:?} no longer depends on {:?}.",
        p.group, p.provider_set
    )))
}

pub(super) fn set_dependencies(scene: &Scene<'_>, p: &v1::SetGroupSetDependenciesParameters) -> Run {
    let set = scene.cluster.open_group_set(&p.group_set)?;
    let depends = if p.expression.is_empty() {
        "nothing"
    } else {
        &p.expression
    };
    if let Some(wished) = named(&p.expression)
        && depends_on(scene, &set, &wished)?
    {
        return Ok(End::unchanged(format!(
            "The set {:?} depends on {depends}.",
            p.group_set
        )));
    }
    scene.begin()?;
    set.set_dependency_expression(&p.expression)?;
    Ok(End::done(format!("The set {:?} depends on {depends}.", p.group_set)))
}

/// The names of an expression that is names in brackets joined by "and"; nothing for any other one, which the cluster judges.
fn named(expression: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = expression.trim();
    while !rest.is_empty() {
        let (name, after) = rest.strip_prefix('[')?.split_once(']')?;
        names.push(name);
        rest = after.trim_start();
        if !rest.is_empty() {
            let (and, after) = rest.split_at_checked(3)?;
            rest = after.trim_start();
            if !and.eq_ignore_ascii_case("and") || rest.is_empty() {
                return None;
            }
        }
    }
    Some(names)
}

/// Whether a set depends on these sets and on nothing else.
fn depends_on(scene: &Scene<'_>, set: &GroupSet, names: &[&str]) -> Result<bool, Error> {
    let sets = set.provider_sets()?;
    if sets.len() != names.len() || !set.provider_groups()?.is_empty() {
        return Ok(false);
    }
    for name in names {
        match open(scene, name)? {
            Some(provider) if holds_set(&sets, &provider, name) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_expressions_are_understood() {
        assert_eq!(named(""), Some(vec![]));
        assert_eq!(named(" [A] "), Some(vec!["A"]));
        assert_eq!(named("[A b] AND [C]and[D]"), Some(vec!["A b", "C", "D"]));
        for other in ["[A] or [B]", "([A])", "[A] and", "[A", "A", "[A] [B]", "[A] é"] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
