use std::collections::BTreeMap;

use proptest::prelude::*;

use super::batch::Command;
use super::{Path, Value, split};
use crate::world::cluster::{Cluster, Group, Resource};
use crate::world::properties::Setting;

fn cluster() -> Cluster {
    let mut cluster = Cluster::new("id-c".into(), "c".into(), 11);
    cluster.groups.push(Group::new("g-1".into(), "G", 100, 1));
    cluster.add_resource("g-1", Resource::new("r-1".into(), "R".into(), "Generic Script"));
    cluster
}

fn path(text: &str) -> Path {
    split(text).unwrap()
}

fn value(name: &str, data: &[u8]) -> Value {
    Value {
        name: name.into(),
        kind: 3,
        data: data.into(),
    }
}

#[test]
fn objects_show_as_keys() {
    let mut cluster = cluster();
    assert!(cluster.has_key(&path("GROUPS\\g-1")));
    let names: Vec<String> = cluster.key_names(&[]).unwrap();
    assert!(names.contains(&"Resources".to_owned()), "{names:?}");
    let id = cluster.key_value(&[], "clusterinstanceid").unwrap();
    assert_eq!(crate::proplist::read_text(&id.data), "id-c");
    let parameters = path("resources\\r-1\\parameters");
    cluster.write_value(&parameters, value("Own", &[1]), 0).unwrap();
    let private = &cluster.resource("r-1").unwrap().1.private;
    assert_eq!(private.get("Own"), Some(&Setting::Binary(vec![1])));
    assert_eq!(
        cluster.write_value(&path("groups\\g-1"), value("Name", &[]), 0),
        Err(5),
        "it shows an object's state"
    );
    assert_eq!(cluster.delete_key(&path("groups\\g-1")), Err(5));
    cluster
        .write_value(&path("groups\\g-1"), value("Mine", &[2]), 0)
        .unwrap();
    assert_eq!(cluster.key_value(&path("groups\\g-1"), "MINE").unwrap().data, [2]);
    assert_eq!(cluster.key_names(&path("groups\\g-2")), Err(2));
}

#[test]
fn keys_are_made_with_those_above_and_deleted_one_by_one() {
    let mut cluster = cluster();
    assert_eq!(cluster.make_key(&[], "Own\\Below", 5), Ok(true));
    assert_eq!(cluster.make_key(&[], "own", 6), Ok(false));
    assert_eq!(cluster.key_names(&path("own")), Ok(vec!["Below".to_owned()]));
    assert_eq!(cluster.delete_key(&path("own")), Err(1020));
    assert_eq!(cluster.delete_key(&path("own\\below")), Ok(()));
    assert_eq!(cluster.delete_key(&path("own")), Ok(()));
    assert_eq!(cluster.delete_key(&path("own")), Err(2));
    assert_eq!(cluster.delete_key(&[]), Err(5));
}

#[test]
fn a_failed_batch_leaves_nothing_behind() {
    let mut cluster = cluster();
    let before = cluster.database.clone();
    let commands = [
        Command::CreateKey("resources\\r-1\\parameters".into()),
        Command::SetValue(value("A", &[1])),
        Command::CreateKey("new".into()),
        Command::SetValue(value("B", &[1])),
        Command::Exists("C".into(), true),
    ];
    assert_eq!(cluster.run_batch(&[], &commands, 0), Err((4, 5986)));
    assert_eq!(cluster.database, before);
    assert!(cluster.resource("r-1").unwrap().1.private.is_empty());
    assert_eq!(cluster.run_batch(&[], &commands[..4], 0).unwrap().len(), 3);
}

/// A step of the model: value names are few, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Set(u8, u8),
    Delete(u8),
    Exists(u8, bool),
    Equal(u8, u8, bool),
    Greater(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0_u8..4;
    prop_oneof![
        4 => (name(), any::<u8>()).prop_map(|(name, data)| Step::Set(name, data)),
        1 => name().prop_map(Step::Delete),
        1 => (name(), any::<bool>()).prop_map(|(name, wanted)| Step::Exists(name, wanted)),
        1 => (name(), 0_u8..3, any::<bool>()).prop_map(|(name, data, wanted)| Step::Equal(name, data, wanted)),
        1 => (name(), any::<u8>()).prop_map(|(name, data)| Step::Greater(name, data)),
    ]
}

fn command(step: &Step) -> Command {
    let name = |name: &u8| format!("Value{name}");
    match step {
        Step::Set(own, data) => Command::SetValue(value(&name(own), &[*data])),
        Step::Delete(own) => Command::DeleteValue(name(own)),
        Step::Exists(own, wanted) => Command::Exists(name(own), *wanted),
        Step::Equal(own, data, wanted) => Command::Equal(value(&name(own), &[*data]), *wanted),
        Step::Greater(own, data) => Command::Compare(value(&name(own), &[*data]), std::cmp::Ordering::Greater),
    }
}

/// What a batch does to a plain map.
fn play(model: &BTreeMap<u8, u8>, steps: &[Step]) -> Result<BTreeMap<u8, u8>, (usize, u32)> {
    let mut model = model.clone();
    for (place, step) in steps.iter().enumerate() {
        let holds = match step {
            Step::Set(name, data) => {
                model.insert(*name, *data);
                true
            }
            Step::Delete(name) => {
                model.remove(name).ok_or((place, 2))?;
                true
            }
            Step::Exists(name, wanted) => model.contains_key(name) == *wanted,
            Step::Equal(name, data, wanted) => (model.get(name) == Some(data)) == *wanted,
            Step::Greater(name, data) => model.get(name).is_some_and(|own| own > data),
        };
        if !holds {
            return Err((place, 5986));
        }
    }
    Ok(model)
}

proptest! {
    #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 3 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

    #[test]
    fn batches_are_what_a_map_says(batches in proptest::collection::vec(proptest::collection::vec(step(), 1..8), 1..8)) {
        let mut cluster = cluster();
        cluster.make_key(&[], "own", 0).unwrap();
        let own = path("own");
        let mut model = BTreeMap::new();
        for steps in batches {
            let commands: Vec<Command> = steps.iter().map(command).collect();
            let result = cluster.run_batch(&own, &commands, 0).map(|_| ());
            match play(&model, &steps) {
                Ok(after) => {
                    prop_assert_eq!(result, Ok(()));
                    model = after;
                }
                Err(failure) => prop_assert_eq!(result, Err(failure)),
            }
            let values = cluster.key_values(&own).unwrap();
            let found: BTreeMap<String, Vec<u8>> = values.into_iter().map(|value| (value.name, value.data)).collect();
            let expected = model.iter().map(|(name, data)| (format!("Value{name}"), vec![*data])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
