//! Nodes.

use wsfc_clusapi::Error;
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::{Model, Reader};
use crate::inventory::fields::{UNKNOWN_STATE, set_state};
use crate::inventory::object::Key;
use crate::journal::Common;

const WHAT: &str = "properties of a node";

impl Reader {
    pub(super) fn nodes(&mut self, known: &Model) -> Result<Vec<InventoryObject>, Error> {
        let mut nodes = Vec::new();
        for node in self.cluster.nodes()? {
            // The id may be a number or a GUID here, so the name opens it (facts 2.1).
            nodes.extend(self.node(known, "", &node.name)?);
        }
        Ok(nodes)
    }

    pub(super) fn node(&mut self, known: &Model, id: &str, name: &str) -> Result<Option<InventoryObject>, Error> {
        let name = match known.get(&Key::new(ObjectKind::Node, id)).and_then(Common::of) {
            Some(node) if name.is_empty() => node.name.to_owned(),
            _ => name.to_owned(),
        };
        let opened = match id.parse() {
            Ok(number) if name.is_empty() => self.cluster.open_node_by_id(number),
            _ => self.cluster.open_node(&name),
        };
        let Some(node) = self.optional("a node", opened)? else {
            return Ok(None);
        };
        let state = self.optional("state of a node", node.state())?;
        let number = self.optional("number of a node", node.id())?;
        let mut object = self.wrap(Object::Node(v1::Node {
            name,
            id: number.unwrap_or_else(|| id.to_owned()),
            ..v1::Node::default()
        }));
        set_state(&mut object, state.map_or(UNKNOWN_STATE, |state| state.0));
        self.fill(&mut object, WHAT, &node)?;
        Ok(Some(object))
    }
}
