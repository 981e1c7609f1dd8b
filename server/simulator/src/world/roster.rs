//! Objects in the order of their making, found by id or by name without a search.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in a [`Roster`].
pub(crate) trait Entry {
    fn id(&self) -> &str;
    fn name(&self) -> &str;
    fn set_name(&mut self, name: &str);
}

/// Objects of one kind. Names are compared without case. A world of 30,000 resources asks for each of them, so nothing
/// here goes through all of them but the iterators.
#[derive(Debug)]
pub(crate) struct Roster<T> {
    entries: BTreeMap<u64, T>,
    next: u64,
    ids: HashMap<String, u64>,
    names: HashMap<String, u64>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
            ids: HashMap::new(),
            names: HashMap::new(),
        }
    }
}

impl<T: Entry> Roster<T> {
    /// Appends an object. Whoever appends has checked that the name is free; of two, the name means the first.
    pub(crate) fn push(&mut self, entry: T) {
        let place = self.next;
        self.next += 1;
        self.ids.insert(entry.id().to_lowercase(), place);
        self.names.entry(entry.name().to_lowercase()).or_insert(place);
        self.entries.insert(place, entry);
    }

    /// The object of an id, as it is written in the world.
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.ids.get(id).and_then(|place| self.entries.get(place))
    }

    /// The same, to change anything but its id and name.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.ids.get(id).and_then(|place| self.entries.get_mut(place))
    }

    /// The object of a name.
    pub(crate) fn named(&self, name: &str) -> Option<&T> {
        self.names
            .get(&name.to_lowercase())
            .and_then(|place| self.entries.get(place))
    }

    /// The object of a name or an id as a caller writes it (facts 2.1).
    pub(crate) fn find(&self, text: &str) -> Option<&T> {
        self.named(text).or_else(|| self.get(&text.to_lowercase()))
    }

    /// Gives an object another name.
    pub(crate) fn rename(&mut self, id: &str, name: &str) {
        let Some(place) = self.ids.get(id).copied() else { return };
        let Some(entry) = self.entries.get_mut(&place) else {
            return;
        };
        let old = entry.name().to_lowercase();
        entry.set_name(name);
        if self.names.get(&old) == Some(&place) {
            self.names.remove(&old);
        }
        self.names.entry(name.to_lowercase()).or_insert(place);
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let place = self.ids.remove(id)?;
        let entry = self.entries.remove(&place)?;
        let name = entry.name().to_lowercase();
        if self.names.get(&name) == Some(&place) {
            self.names.remove(&name);
        }
        Some(entry)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.values()
    }

    /// All objects, to change anything but their ids and names.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.values_mut()
    }

    /// The ids of the objects that fit, for loops that change them.
    pub(crate) fn ids_where(&self, fits: impl Fn(&T) -> bool) -> Vec<String> {
        self.iter()
            .filter(|entry| fits(entry))
            .map(|entry| entry.id().to_owned())
            .collect()
    }
}

impl<T: Serialize> Serialize for Roster<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.entries.values())
    }
}

impl<'de, T: Entry + Deserialize<'de>> Deserialize<'de> for Roster<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut roster = Self::default();
        for entry in Vec::<T>::deserialize(deserializer)? {
            roster.push(entry);
        }
        Ok(roster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Thing {
        id: String,
        name: String,
    }

    impl Entry for Thing {
        fn id(&self) -> &str {
            &self.id
        }

        fn name(&self) -> &str {
            &self.name
        }

        fn set_name(&mut self, name: &str) {
            name.clone_into(&mut self.name);
        }
    }

    fn roster(names: &[&str]) -> Roster<Thing> {
        let mut roster = Roster::default();
        for name in names {
            roster.push(Thing {
                id: format!("id-{}", name.to_lowercase()),
                name: (*name).into(),
            });
        }
        roster
    }

    fn names(roster: &Roster<Thing>) -> Vec<&str> {
        roster.iter().map(Entry::name).collect()
    }

    #[test]
    fn order_stays_and_names_are_found_without_case() {
        let mut roster = roster(&["B", "a", "C"]);
        assert_eq!(names(&roster), ["B", "a", "C"]);
        assert_eq!(roster.find("A").unwrap().id, "id-a");
        assert_eq!(roster.find("ID-C").unwrap().name, "C");
        roster.rename("id-b", "Z");
        assert_eq!(roster.named("b"), None);
        assert_eq!(roster.named("z").unwrap().id, "id-b");
        assert_eq!(roster.remove("id-a").unwrap().name, "a");
        assert_eq!((roster.find("a"), roster.get("id-a")), (None, None));
        assert_eq!(names(&roster), ["Z", "C"]);
    }

    #[test]
    fn a_saved_roster_keeps_order_and_index() {
        let saved = serde_json::to_string(&roster(&["B", "a"])).unwrap();
        let read: Roster<Thing> = serde_json::from_str(&saved).unwrap();
        assert_eq!(names(&read), ["B", "a"]);
        assert_eq!(read.named("b").unwrap().id, "id-b");
    }
}
