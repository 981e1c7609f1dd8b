//! Group sets and affinity rules. A cluster that is too old for them has none.

use std::collections::HashMap;

use wsfc_clusapi::{Controlled as _, Error, Win32};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::{Model, Reader};
use crate::journal::Common;

impl Reader {
    pub(super) fn group_sets(&mut self, known: &Model) -> Result<Vec<InventoryObject>, Error> {
        let names = none_if_unknown(self.cluster.group_sets());
        let mut opened = Vec::new();
        let mut names_by_id = HashMap::new();
        for name in self.optional("the group sets", names)?.unwrap_or_default() {
            let set = self.cluster.open_group_set(&name);
            let Some(set) = self.optional("a group set", set)? else {
                continue;
            };
            if let Some(id) = self.optional("id of a group set", set.told_id())? {
                names_by_id.insert(id.to_lowercase(), name.clone());
            }
            opened.push((name, set));
        }
        let set_name = |id: String| names_by_id.get(&id.to_lowercase()).cloned().unwrap_or(id);
        let mut sets = Vec::new();
        for (name, set) in opened {
            let (groups, provider_groups, provider_sets) = (set.groups(), set.provider_groups(), set.provider_sets());
            let groups = self.optional("groups of a group set", groups)?;
            let provider_groups = self.optional("providers of a group set", provider_groups)?;
            let provider_sets = self.optional("providers of a group set", provider_sets)?;
            let group_names =
                |ids: Option<Vec<String>>| sorted(ids.unwrap_or_default().into_iter().map(|id| group_name(known, id)));
            let mut object = self.wrap(Object::GroupSet(v1::GroupSet {
                name,
                groups: group_names(groups),
                provider_groups: group_names(provider_groups),
                provider_sets: sorted(provider_sets.unwrap_or_default().into_iter().map(set_name)),
                ..v1::GroupSet::default()
            }));
            self.fill(&mut object, "properties of a group set", &set)?;
            sets.push(object);
        }
        Ok(sets)
    }

    pub(super) fn affinity_rules(&mut self) -> Result<Vec<InventoryObject>, Error> {
        let names = none_if_unknown(self.cluster.affinity_rules());
        let mut rules = Vec::new();
        for name in self.optional("the affinity rules", names)?.unwrap_or_default() {
            let rule = self.cluster.affinity_rule(&name)?;
            let groups = self.optional("groups of an affinity rule", rule.groups())?;
            let mut object = self.wrap(Object::AffinityRule(v1::AffinityRule {
                name,
                groups: sorted(groups.unwrap_or_default().into_iter()),
                ..v1::AffinityRule::default()
            }));
            self.fill(&mut object, "properties of an affinity rule", &rule)?;
            rules.push(object);
        }
        Ok(rules)
    }
}

/// A Windows or a server that does not know a kind has none of it.
fn none_if_unknown(names: Result<Vec<String>, Error>) -> Result<Vec<String>, Error> {
    match names {
        Err(
            Error::Unsupported { .. }
            | Error::Call {
                code: Win32::ERROR_INVALID_FUNCTION | Win32::ERROR_CALL_NOT_IMPLEMENTED,
                ..
            },
        ) => Ok(Vec::new()),
        names => names,
    }
}

/// The name of a group that was told by its id or by its name.
fn group_name(known: &Model, told: String) -> String {
    let key = known.find(ObjectKind::Group, &told, &told);
    let found = key.and_then(|key| known.get(&key)).and_then(Common::of);
    found.map_or_else(|| told.clone(), |group| group.name.to_owned())
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_by_cached_key(|name| name.to_lowercase());
    names
}
