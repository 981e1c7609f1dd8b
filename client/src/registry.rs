//! The cluster database: values with their types, and batches of commands.

use wsfc_proto::v1::{ApplyRegistryBatchParameters, RegistryCommand, RegistryCommandType as Command, RegistryValue};

/// The data of a value, with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A string (REG_SZ).
    Text(String),
    /// A string with variables (REG_EXPAND_SZ).
    ExpandableText(String),
    /// Bytes (REG_BINARY).
    Binary(Vec<u8>),
    /// A 32-bit number (REG_DWORD).
    Dword(u32),
    /// Strings (REG_MULTI_SZ), none of them empty.
    Texts(Vec<String>),
    /// A 64-bit number (REG_QWORD).
    Qword(u64),
    /// Data of another type, or that does not fit its type, as it is stored.
    Other(u32, Vec<u8>),
}

const SZ: u32 = 1;
const EXPAND_SZ: u32 = 2;
const BINARY: u32 = 3;
const DWORD: u32 = 4;
const MULTI_SZ: u32 = 7;
const QWORD: u32 = 11;

impl Data {
    /// Reads stored bytes by their type.
    pub fn read(value_type: u32, data: &[u8]) -> Self {
        let read = match value_type {
            SZ => text(data).map(Self::Text),
            EXPAND_SZ => text(data).map(Self::ExpandableText),
            BINARY => Some(Self::Binary(data.to_owned())),
            DWORD => data.try_into().ok().map(|bytes| Self::Dword(u32::from_le_bytes(bytes))),
            MULTI_SZ => texts(data).map(Self::Texts),
            QWORD => data.try_into().ok().map(|bytes| Self::Qword(u64::from_le_bytes(bytes))),
            _ => None,
        };
        read.unwrap_or_else(|| Self::Other(value_type, data.to_owned()))
    }

    /// Reads a value of the contract.
    pub fn of(value: &RegistryValue) -> Self {
        Self::read(value.r#type, &value.data)
    }

    /// The type as it is stored.
    pub fn value_type(&self) -> u32 {
        match self {
            Self::Text(_) => SZ,
            Self::ExpandableText(_) => EXPAND_SZ,
            Self::Binary(_) => BINARY,
            Self::Dword(_) => DWORD,
            Self::Texts(_) => MULTI_SZ,
            Self::Qword(_) => QWORD,
            Self::Other(value_type, _) => *value_type,
        }
    }

    /// The bytes as they are stored: strings in UTF-16LE with their NUL.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) | Self::ExpandableText(text) => wide(text),
            Self::Binary(bytes) | Self::Other(_, bytes) => bytes.clone(),
            Self::Dword(number) => number.to_le_bytes().to_vec(),
            Self::Texts(texts) => {
                let mut bytes: Vec<u8> = texts.iter().flat_map(|text| wide(text)).collect();
                bytes.extend([0, 0]);
                bytes
            }
            Self::Qword(number) => number.to_le_bytes().to_vec(),
        }
    }
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn units(data: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = data.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

/// A string that ends with its NUL, or with the data.
fn text(data: &[u8]) -> Option<String> {
    let mut units = units(data)?;
    if units.last() == Some(&0) {
        units.pop();
    }
    // What would be lost on the way back is no string.
    let text = String::from_utf16(&units).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Strings that each end with a NUL, with one more at the end of all.
fn texts(data: &[u8]) -> Option<Vec<String>> {
    let units = units(data)?;
    let end = units.strip_suffix(&[0]).unwrap_or(&units);
    let end = end.strip_suffix(&[0]).unwrap_or(end);
    if end.is_empty() {
        return Some(Vec::new());
    }
    let texts: Option<Vec<String>> = end
        .split(|unit| *unit == 0)
        .map(|units| String::from_utf16(units).ok())
        .collect();
    texts.filter(|texts| texts.iter().all(|text| !text.is_empty()))
}

/// Commands that are carried out all or not at all.
///
/// ```
/// use wsfc_client::registry::{Batch, Data};
///
/// let batch = Batch::new("CL1", "Software\\Example")
///     .if_equal("Version", Data::Dword(1))
///     .set("Version", Data::Dword(2))
///     .build();
/// assert_eq!(batch.commands.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    parameters: ApplyRegistryBatchParameters,
}

/// Makes the methods that add a command on a name, and those that add one on a name and data.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($command:ident $(, $data:ident)?);)*) => {
        impl Batch {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(self, name: impl Into<String> $(, $data: Data)?) -> Self {
                    self.add(Command::$command, name.into(), [$( &$data )?].first().copied())
                }
            )*
        }
    };
}

impl Batch {
    /// An empty batch, relative to a key below the root; an empty key is the root.
    pub fn new(cluster: impl Into<String>, key: impl Into<String>) -> Self {
        let (cluster, key) = (cluster.into(), key.into());
        Self {
            parameters: ApplyRegistryBatchParameters {
                cluster,
                key,
                commands: Vec::new(),
            },
        }
    }

    fn add(mut self, command: Command, name: String, data: Option<&Data>) -> Self {
        self.parameters.commands.push(RegistryCommand {
            r#type: command.into(),
            name,
            value_type: data.map(Data::value_type).unwrap_or_default(),
            data: data.map(Data::bytes).unwrap_or_default(),
        });
        self
    }

    /// The parameters for [`apply_registry_batch`](crate::Client::apply_registry_batch).
    pub fn build(self) -> ApplyRegistryBatchParameters {
        self.parameters
    }
}

commands! {
    /// Sets a value; an empty name is the default value of the key.
    set(SetValue, data);
    /// Creates a key; the commands after it are relative to it.
    create_key(CreateKey);
    /// Deletes a key.
    delete_key(DeleteKey);
    /// Deletes a value.
    delete_value(DeleteValue);
    /// Goes on only if the value is there.
    if_exists(IfExists);
    /// Goes on only if the value is not there.
    if_not_exists(IfNotExists);
    /// Goes on only if the value equals the data.
    if_equal(IfEqual, data);
    /// Goes on only if the value does not equal the data.
    if_not_equal(IfNotEqual, data);
    /// Goes on only if the value is greater than the data.
    if_greater_than(IfGreaterThan, data);
    /// Goes on only if the value is less than the data.
    if_less_than(IfLessThan, data);
    /// Goes on only if the key is there.
    if_key_exists(IfKeyExists);
    /// Goes on only if the key is not there.
    if_key_not_exists(IfKeyNotExists);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn data_is_stored_as_windows_stores_it() {
        assert_eq!(Data::Text("n1".to_owned()).bytes(), [b'n', 0, b'1', 0, 0, 0]);
        assert_eq!(Data::Texts(vec!["a".to_owned()]).bytes(), [b'a', 0, 0, 0, 0, 0]);
        assert_eq!(Data::Texts(Vec::new()).bytes(), [0, 0]);
        assert_eq!(Data::Dword(1).bytes(), [1, 0, 0, 0]);
        assert_eq!(Data::read(MULTI_SZ, &[]), Data::Texts(Vec::new()));
        assert_eq!(Data::read(SZ, &[b'n', 0]), Data::Text("n".to_owned()));
    }

    #[test]
    fn what_does_not_fit_its_type_is_kept_as_it_is() {
        assert_eq!(Data::read(DWORD, &[1]), Data::Other(DWORD, vec![1]));
        assert_eq!(Data::read(SZ, &[1]), Data::Other(SZ, vec![1]));
        assert_eq!(Data::read(99, &[1]), Data::Other(99, vec![1]));
    }

    #[test]
    fn a_batch_keeps_the_order_of_its_commands() {
        let batch = Batch::new("CL1", "K")
            .if_key_not_exists("L")
            .create_key("L")
            .set("v", Data::Qword(7))
            .build();
        let kinds: Vec<_> = batch.commands.iter().map(RegistryCommand::r#type).collect();
        assert_eq!(kinds, [Command::IfKeyNotExists, Command::CreateKey, Command::SetValue]);
        assert_eq!((batch.commands[2].value_type, batch.commands[2].data.len()), (QWORD, 8));
        assert_eq!(batch.key, "K");
    }

    fn data() -> impl Strategy<Value = Data> {
        let text = "[^\\x00]{0,20}";
        prop_oneof![
            text.prop_map(Data::Text),
            text.prop_map(Data::ExpandableText),
            any::<Vec<u8>>().prop_map(Data::Binary),
            any::<u32>().prop_map(Data::Dword),
            proptest::collection::vec("[^\\x00]{1,10}", 0..5).prop_map(Data::Texts),
            any::<u64>().prop_map(Data::Qword),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(data in data()) {
            prop_assert_eq!(Data::read(data.value_type(), &data.bytes()), data);
        }

        #[test]
        fn whatever_is_stored_can_be_read(value_type in 0_u32..13, bytes in any::<Vec<u8>>()) {
            let read = Data::read(value_type, &bytes);
            prop_assert_eq!(read.value_type(), value_type);
        }
    }
}
