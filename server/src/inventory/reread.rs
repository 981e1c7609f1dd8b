//! Reading again what a notification has told of without telling it all.

use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::hearing::{Hearing, Read};
use super::model::Model;
use super::object::Key;

/// How often what was read may ask for more before everything is read.
const ROUNDS: usize = 4;

/// Where objects are read: a cluster, or what stands for one in tests. What a read refers to is looked up in `known`.
pub trait Source {
    /// Why nothing can be read any more.
    type Error;

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// The connection is lost; or the cluster does not even tell its name, its nodes, its groups or its resources.
    fn whole(&mut self) -> Result<Model, Self::Error>;

    /// Reads the objects of a kind.
    ///
    /// # Errors
    ///
    /// As [`Source::whole`].
    fn kind(&mut self, known: &Model, kind: ObjectKind) -> Result<Vec<InventoryObject>, Self::Error>;

    /// Reads one object, by its id or else by its name; nothing when there is none.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn object(
        &mut self,
        known: &Model,
        kind: ObjectKind,
        id: &str,
        name: &str,
    ) -> Result<Option<InventoryObject>, Self::Error>;

    /// Reads the resources of a group, by its id or name, also those that it has lost as far as they are known.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn members(&mut self, known: &Model, group: &str) -> Result<Vec<InventoryObject>, Self::Error>;
}

/// Reads what notifications have asked for, each object once, and tells what has changed.
///
/// # Errors
///
/// The source fails. What was told before stands.
pub fn read_again<S: Source>(source: &mut S, model: &mut Model, hearing: &mut Hearing) -> Result<(), S::Error> {
    for round in 1.. {
        let mut reads = std::mem::take(&mut hearing.reads);
        if reads.is_empty() {
            break;
        }
        // What was read asks for what refers to it, and that ends; where it does not, everything is read.
        if round == ROUNDS || reads.contains_key(&Read::Everything) {
            read_everything(source, model, hearing)?;
            hearing.reads.clear();
            break;
        }
        let kinds: Vec<_> = reads.keys().cloned().collect();
        reads.retain(|read, _| match read {
            Read::Object(kind, ..) => !kinds.contains(&Read::Kind(*kind)),
            _ => true,
        });
        for (read, told) in reads {
            read_one(source, model, hearing, &read, &told)?;
        }
    }
    Ok(())
}

fn read_one<S: Source>(
    source: &mut S,
    model: &mut Model,
    hearing: &mut Hearing,
    read: &Read,
    told: &v1::Notification,
) -> Result<(), S::Error> {
    // What somebody asked for was told by no notification.
    let told = (*told != v1::Notification::default()).then_some(told);
    match read {
        Read::Everything => {}
        Read::Kind(kind) => {
            let now: Model = source.kind(model, *kind)?.into_iter().collect();
            let gone = model.of(*kind).map(|(key, _)| key);
            let gone: Vec<_> = gone.filter(|key| now.get(key).is_none()).cloned().collect();
            for key in gone {
                hearing.gone(model, &key, told);
            }
            for object in now.objects().values() {
                let object = keeping_connection(model, object.clone());
                hearing.change(model, object, told);
            }
        }
        Read::Members(group) => {
            for resource in source.members(model, group)? {
                hearing.change(model, resource, told);
            }
        }
        Read::Object(kind, id, name) => {
            // Another object may have the name by now.
            let key = if id.is_empty() {
                model.find(*kind, "", name)
            } else {
                Some(Key::new(*kind, id))
            };
            match (source.object(model, *kind, id, name)?, key) {
                (Some(object), _) => {
                    let object = keeping_connection(model, object);
                    hearing.change(model, object, told);
                }
                (None, Some(key)) => hearing.gone(model, &key, told),
                (None, None) => {}
            }
        }
    }
    Ok(())
}

fn read_everything<S: Source>(source: &mut S, model: &mut Model, hearing: &mut Hearing) -> Result<(), S::Error> {
    let whole = source.whole()?;
    let gone = model.objects().keys().rev();
    let gone: Vec<_> = gone.filter(|key| whole.get(key).is_none()).cloned().collect();
    for key in gone {
        hearing.gone(model, &key, None);
    }
    for object in whole.objects().values() {
        let object = keeping_connection(model, object.clone());
        hearing.change(model, object, None);
    }
    Ok(())
}

/// What the cluster cannot tell of itself stays as it is known.
fn keeping_connection(model: &Model, mut object: InventoryObject) -> InventoryObject {
    if let (Some(Object::Cluster(cluster)), Some(known)) = (&mut object.object, model.cluster()) {
        cluster.connection = known.connection;
        cluster.connection_time = known.connection_time;
        cluster.has_quorum = known.has_quorum;
    }
    object
}
