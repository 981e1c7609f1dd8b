//! `NetworkService`: networks and network interfaces.

use tonic::{Request, Response, Status};
use wsfc_proto::v1;

use super::generated::network_service_server::NetworkService;
use super::inventory;
use super::serve::{Service, serve};
use super::stream::RecordStream;

serve! {
    NetworkService:
    reads {
    inventory::get_network(GetNetworkRequest) -> GetNetworkResponse;
    inventory::list_networks(ListNetworksRequest) -> ListNetworksResponse;
    inventory::get_network_interface(GetNetworkInterfaceRequest) -> GetNetworkInterfaceResponse;
    inventory::list_network_interfaces(ListNetworkInterfacesRequest) -> ListNetworkInterfacesResponse;
    }
    starts {
    rename_network(RenameNetworkRequest) -> RenameNetworkStream: RenameNetwork, network;
    set_network_role(SetNetworkRoleRequest) -> SetNetworkRoleStream: SetNetworkRole, network;
    set_network_metric(SetNetworkMetricRequest) -> SetNetworkMetricStream: SetNetworkMetric, network;
    set_network_priority(SetNetworkPriorityRequest) -> SetNetworkPriorityStream: SetNetworkPriority, networks;
    }
}
