//! Generates the table of methods: what each asks of its caller, and where its request names a cluster.

use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor, Value};

/// How deep in a request the name of a cluster is looked for: in the request and in its parameters.
const DEPTH: usize = 2;

/// The rows of the table, in the order of their paths.
///
/// # Errors
///
/// A method that names no permission.
pub fn generate(pool: &DescriptorPool) -> Result<String, Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for service in pool.services().filter(|service| service.package_name() == "wsfc.v1") {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let row = row(pool, &path, &method)?;
            rows.push((path, row));
        }
    }
    rows.sort();
    let rows: String = rows.into_iter().map(|(_, row)| row).collect();
    Ok(format!("&[\n{rows}]\n"))
}

fn row(pool: &DescriptorPool, path: &str, method: &MethodDescriptor) -> Result<String, Box<dyn std::error::Error>> {
    let permission = match option(pool, method, "permission") {
        Some(Value::EnumNumber(number)) if number != 0 => number,
        _ => return Err(format!("{path} names no permission: option (permission) of permission.proto").into()),
    };
    let permission = pool
        .get_enum_by_name("wsfc.v1.Permission")
        .and_then(|permissions| permissions.get_value(permission))
        .ok_or_else(|| format!("{path} names permission {permission}, which there is none of"))?;
    let variant = camel(permission.name().trim_start_matches("PERMISSION_"));
    let filtered = matches!(option(pool, method, "filtered"), Some(Value::Bool(true)));
    // 1 is NO_SIDE_EFFECTS.
    let changes = method
        .method_descriptor_proto()
        .options
        .as_ref()
        .is_none_or(|options| options.idempotency_level != Some(1));
    let (uploads, streams) = (method.is_client_streaming(), method.is_server_streaming());
    let cluster = cluster(&method.input(), DEPTH).unwrap_or_default();
    let mut row = String::new();
    writeln!(
        row,
        "    Method {{ path: {path:?}, permission: Permission::{variant}, changes: {changes}, uploads: {uploads}, streams: {streams}, filtered: {filtered}, cluster: &{cluster:?} }},"
    )?;
    Ok(row)
}

/// The numbers of the fields that lead to the name of the cluster that a request is about.
fn cluster(message: &MessageDescriptor, depth: usize) -> Option<Vec<u32>> {
    if let Some(field) = message.get_field_by_name("cluster")
        && field.kind() == Kind::String
        && !field.is_list()
    {
        return Some(vec![field.number()]);
    }
    if depth <= 1 {
        return None;
    }
    message.fields().find_map(|field| {
        let Kind::Message(inner) = field.kind() else {
            return None;
        };
        let parameters = inner.name().ends_with("Parameters") && !field.is_list();
        let rest = parameters.then(|| cluster(&inner, depth - 1)).flatten()?;
        Some([field.number()].into_iter().chain(rest).collect())
    })
}

fn option(pool: &DescriptorPool, method: &MethodDescriptor, name: &str) -> Option<Value> {
    let extension = pool.get_extension_by_name(&format!("wsfc.v1.{name}"))?;
    Some(method.options().get_extension(&extension).into_owned())
}

/// As prost names the variants of an enum.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(1.min(word.len()));
            format!("{first}{}", rest.to_lowercase())
        })
        .collect()
}
