//! Networks and network interfaces.

use wsfc_clusapi::{Controlled as _, Error};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject};

use super::{Model, Reader, id_or_name, told_or};
use crate::inventory::fields::{UNKNOWN_STATE, set_state};

impl Reader {
    pub(super) fn networks(&mut self) -> Result<Vec<InventoryObject>, Error> {
        let listed = self.cluster.networks();
        let mut networks = Vec::new();
        for listed in self.optional("the networks", listed)?.unwrap_or_default() {
            networks.extend(self.network(&listed.id.unwrap_or_default(), &listed.name)?);
        }
        Ok(networks)
    }

    fn network(&mut self, id: &str, name: &str) -> Result<Option<InventoryObject>, Error> {
        let opened = self.cluster.open_network(id_or_name(id, name));
        let Some(opened) = self.optional("a network", opened)? else {
            return Ok(None);
        };
        let state = self.optional("state of a network", opened.state())?;
        let name = told_or(self.optional("name of a network", opened.told_name())?, name);
        let id = told_or(self.optional("id of a network", opened.id())?, id);
        let mut object = self.wrap(Object::Network(v1::Network {
            name,
            id,
            ..v1::Network::default()
        }));
        set_state(&mut object, state.map_or(UNKNOWN_STATE, |state| state.0));
        self.fill(&mut object, "properties of a network", &opened)?;
        Ok(Some(object))
    }

    pub(super) fn interfaces(&mut self, known: &Model) -> Result<Vec<InventoryObject>, Error> {
        let listed = self.cluster.network_interfaces();
        let mut interfaces = Vec::new();
        for listed in self.optional("the network interfaces", listed)?.unwrap_or_default() {
            interfaces.extend(self.interface(known, &listed.id.unwrap_or_default(), &listed.name)?);
        }
        Ok(interfaces)
    }

    pub(super) fn interface(&mut self, known: &Model, id: &str, name: &str) -> Result<Option<InventoryObject>, Error> {
        let opened = self.cluster.open_network_interface(id_or_name(id, name));
        let Some(opened) = self.optional("a network interface", opened)? else {
            return Ok(None);
        };
        let state = self.optional("state of a network interface", opened.state())?;
        let name = told_or(self.optional("name of a network interface", opened.told_name())?, name);
        let id = told_or(self.optional("id of a network interface", opened.told_id())?, id);
        let node = self.optional("node of a network interface", opened.node_name())?;
        let node = node.unwrap_or_default();
        let network = self.optional("network of a network interface", opened.network_name())?;
        let mut object = self.wrap(Object::NetworkInterface(v1::NetworkInterface {
            name,
            id,
            // Some servers tell the number of the node (facts 3.3).
            node: known.node_name(&node).map_or(node.clone(), String::from),
            network: network.unwrap_or_default(),
            ..v1::NetworkInterface::default()
        }));
        set_state(&mut object, state.map_or(UNKNOWN_STATE, |state| state.0));
        self.fill(&mut object, "properties of a network interface", &opened)?;
        Ok(Some(object))
    }
}
