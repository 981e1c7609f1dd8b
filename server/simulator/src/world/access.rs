//! Who may use the cluster: self-relative security descriptors, and the one list in them that matters here (facts 2.6).
//!
//! Entries of other types than "allowed" and "denied", owner, group and audit list are kept as they came.

use wsfc_clusapi::sys::constants::notify_cluster;

use super::World;
use super::cluster::Cluster;
use super::events::Event;
use super::properties::{Class, Owner, SECURITY_DESCRIPTOR, Setting};
use crate::proplist;
use crate::win32::{
    EPT_S_NOT_REGISTERED, ERROR_CLUSTER_INVALID_SECURITY_DESCRIPTOR, ERROR_DATABASE_BACKUP_CORRUPT, ERROR_INVALID_SID,
};

const REVISION: u8 = 1;
const ACL_REVISION: u8 = 2;
const HEADER: usize = 20;
const ACL_HEADER: usize = 8;
const SACL_PRESENT: u16 = 0x0010;
const DACL_PRESENT: u16 = 0x0004;
const SELF_RELATIVE: u16 = 0x8000;
const ACE_ALLOWED: u8 = 0;
const ACE_DENIED: u8 = 1;
/// The most parts that a SID has below its authority.
const MOST_PARTS: usize = 15;

/// The result of reading; the error is 5946, a descriptor that is unfit.
type Read<T> = Result<T, u32>;

/// A security identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sid {
    /// 48 bits.
    authority: u64,
    parts: Vec<u32>,
}

impl Sid {
    /// Reads `S-1-5-32-544`; 1337 for anything else.
    pub(crate) fn parse(text: &str) -> Result<Self, u32> {
        let wrong = ERROR_INVALID_SID;
        let mut words = text.split('-');
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("S")) || words.next() != Some("1") {
            return Err(wrong);
        }
        let authority: u64 = words.next().and_then(|word| word.parse().ok()).ok_or(wrong)?;
        let parts: Vec<u32> = words
            .map(|word| word.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| wrong)?;
        if authority >= 1 << 48 || parts.is_empty() || parts.len() > MOST_PARTS {
            return Err(wrong);
        }
        Ok(Self { authority, parts })
    }

    fn write(&self) -> Vec<u8> {
        let count = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![REVISION, count];
        bytes.extend(&self.authority.to_be_bytes()[2..]);
        bytes.extend(self.parts.iter().flat_map(|part| part.to_le_bytes()));
        bytes
    }

    /// The SID at the front of some bytes, and its length.
    fn read(bytes: &[u8]) -> Read<(Self, usize)> {
        let [REVISION, count, authority @ ..] = bytes.get(..8).ok_or(UNFIT)? else {
            return Err(UNFIT);
        };
        let count = usize::from(*count);
        if count > MOST_PARTS {
            return Err(UNFIT);
        }
        let authority = authority.iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
        let length = 8 + 4 * count;
        let parts = bytes.get(8..length).ok_or(UNFIT)?;
        let parts = parts
            .chunks_exact(4)
            .map(|part| u32::from_le_bytes([part[0], part[1], part[2], part[3]]))
            .collect();
        Ok((Self { authority, parts }, length))
    }
}

/// An entry of the access list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Account {
        denied: bool,
        flags: u8,
        mask: u32,
        sid: Sid,
    },
    /// An entry of another type, with its header.
    Other(Vec<u8>),
}

/// A security descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecurityDescriptor {
    control: u16,
    owner: Option<Sid>,
    group: Option<Sid>,
    /// The audit list, with its header.
    audit: Option<Vec<u8>>,
    /// `None` lets everybody in.
    pub(crate) entries: Option<Vec<Entry>>,
}

const UNFIT: u32 = ERROR_CLUSTER_INVALID_SECURITY_DESCRIPTOR;

fn number16(bytes: &[u8], at: usize) -> Read<usize> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(UNFIT)?;
    Ok(u16::from_le_bytes(*bytes).into())
}

fn offset(bytes: &[u8], at: usize) -> Read<Option<&[u8]>> {
    let place = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(UNFIT)?;
    let place = usize::try_from(u32::from_le_bytes(*place)).map_err(|_| UNFIT)?;
    match place {
        0 => Ok(None),
        place if place < HEADER => Err(UNFIT),
        place => bytes.get(place..).map(Some).ok_or(UNFIT),
    }
}

/// The bytes of an access list, header included.
fn list(bytes: &[u8]) -> Read<&[u8]> {
    bytes
        .get(..number16(bytes, 2)?)
        .filter(|list| list.len() >= ACL_HEADER)
        .ok_or(UNFIT)
}

fn read_entries(bytes: &[u8]) -> Read<Vec<Entry>> {
    let list = list(bytes)?;
    let mut rest = &list[ACL_HEADER..];
    let mut entries = Vec::new();
    for _ in 0..number16(list, 4)? {
        let size = number16(rest, 2)?;
        let entry = rest.get(..size).filter(|entry| entry.len() >= 4).ok_or(UNFIT)?;
        entries.push(match entry[0] {
            kind @ (ACE_ALLOWED | ACE_DENIED) => {
                let mask = entry.get(4..).and_then(<[u8]>::first_chunk).ok_or(UNFIT)?;
                Entry::Account {
                    denied: kind == ACE_DENIED,
                    flags: entry[1],
                    mask: u32::from_le_bytes(*mask),
                    sid: Sid::read(entry.get(8..).ok_or(UNFIT)?)?.0,
                }
            }
            _ => Entry::Other(entry.to_vec()),
        });
        rest = &rest[size..];
    }
    Ok(entries)
}

fn write_entries(entries: &[Entry]) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        match entry {
            Entry::Account {
                denied,
                flags,
                mask,
                sid,
            } => {
                let sid = sid.write();
                let size = u16::try_from(8 + sid.len()).unwrap_or(u16::MAX);
                body.extend([if *denied { ACE_DENIED } else { ACE_ALLOWED }, *flags]);
                body.extend(size.to_le_bytes());
                body.extend(mask.to_le_bytes());
                body.extend(sid);
            }
            Entry::Other(bytes) => body.extend(bytes),
        }
    }
    let size = u16::try_from(ACL_HEADER + body.len()).unwrap_or(u16::MAX);
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![ACL_REVISION, 0];
    bytes.extend(size.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(body);
    bytes
}

impl SecurityDescriptor {
    /// What a new cluster has. Guess: administrators, the system and the network service have all access.
    pub(crate) fn standard() -> Self {
        const ALL: u32 = 3;
        let sid = |parts: &[u32]| Sid {
            authority: 5,
            parts: parts.into(),
        };
        let allowed = |parts: &[u32]| Entry::Account {
            denied: false,
            flags: 0,
            mask: ALL,
            sid: sid(parts),
        };
        Self {
            control: SELF_RELATIVE | DACL_PRESENT,
            owner: Some(sid(&[32, 544])),
            group: Some(sid(&[32, 544])),
            audit: None,
            entries: Some(vec![allowed(&[32, 544]), allowed(&[18]), allowed(&[20])]),
        }
    }

    /// Reads a self-relative descriptor; 5946 for anything else.
    pub(crate) fn read(bytes: &[u8]) -> Read<Self> {
        if bytes.len() < HEADER || bytes[0] != REVISION {
            return Err(UNFIT);
        }
        let control = u16::from_le_bytes([bytes[2], bytes[3]]);
        if control & SELF_RELATIVE == 0 {
            return Err(UNFIT);
        }
        let sid = |at| {
            offset(bytes, at)?
                .map(|sid| Sid::read(sid).map(|(sid, _)| sid))
                .transpose()
        };
        let audit = offset(bytes, 12)?.filter(|_| control & SACL_PRESENT != 0);
        let access = offset(bytes, 16)?.filter(|_| control & DACL_PRESENT != 0);
        Ok(Self {
            control,
            owner: sid(4)?,
            group: sid(8)?,
            audit: audit.map(|audit| list(audit).map(<[u8]>::to_vec)).transpose()?,
            entries: access.map(read_entries).transpose()?,
        })
    }

    /// The descriptor as bytes.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut control = self.control | SELF_RELATIVE;
        // A list that is marked as present and has no place lets everybody in: it stays as it came.
        if self.entries.is_some() {
            control |= DACL_PRESENT;
        }
        let parts = [
            self.owner.as_ref().map(Sid::write),
            self.group.as_ref().map(Sid::write),
            self.audit.clone(),
            self.entries.as_deref().map(write_entries),
        ];
        let mut bytes = vec![REVISION, 0];
        bytes.extend(control.to_le_bytes());
        let mut body: Vec<u8> = Vec::new();
        for part in parts {
            let place = match part {
                Some(part) => {
                    body.resize(body.len().next_multiple_of(4), 0);
                    let place = HEADER + body.len();
                    body.extend(part);
                    u32::try_from(place).unwrap_or(u32::MAX)
                }
                None => 0,
            };
            bytes.extend(place.to_le_bytes());
        }
        bytes.extend(body);
        bytes
    }

    /// Lets an account in, or keeps it out: its entries of that kind are replaced. What denies comes first, since the
    /// first entry that fits decides.
    pub(crate) fn set(&mut self, sid: &Sid, mask: u32, denied: bool) {
        let entries = self.entries.get_or_insert_default();
        entries.retain(
            |entry| !matches!(entry, Entry::Account { denied: other, sid: own, .. } if own == sid && *other == denied),
        );
        let entry = Entry::Account {
            denied,
            flags: 0,
            mask,
            sid: sid.clone(),
        };
        if denied {
            entries.insert(0, entry);
        } else {
            entries.push(entry);
        }
    }

    /// Drops all entries of an account; false when there is none.
    pub(crate) fn remove(&mut self, sid: &Sid) -> bool {
        let Some(entries) = &mut self.entries else { return false };
        let before = entries.len();
        entries.retain(|entry| !matches!(entry, Entry::Account { sid: own, .. } if own == sid));
        entries.len() != before
    }
}

impl World {
    /// Changes the list of who may use the cluster, and tells the property that holds it.
    pub(crate) fn change_access(
        &mut self,
        cluster_id: &str,
        change: impl FnOnce(&mut SecurityDescriptor),
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let mut descriptor = match cluster.settings.get(SECURITY_DESCRIPTOR) {
            Some(Setting::Binary(bytes)) => SecurityDescriptor::read(bytes)?,
            _ => SecurityDescriptor::standard(),
        };
        change(&mut descriptor);
        let value = Setting::Binary(descriptor.write());
        let list = proplist::write(&[(SECURITY_DESCRIPTOR, value)]);
        self.set_properties(cluster_id, &Owner::Cluster, Class::Common, &list, false)
    }

    /// Makes the cluster of the local machine what a backup says; 1753 when it is in none, 5087 for what is no backup
    /// of this cluster. Watchers are told to read everything again.
    pub(crate) fn restore_database(&mut self, backup: &[u8]) -> Result<(), u32> {
        let mut restored: Cluster = serde_json::from_slice(backup).map_err(|_| ERROR_DATABASE_BACKUP_CORRUPT)?;
        let local = self.machine(&self.local).and_then(|machine| machine.membership.clone());
        let current = local.as_deref().and_then(|id| self.cluster(id));
        let current = current.ok_or(EPT_S_NOT_REGISTERED)?;
        if current.id != restored.id {
            return Err(ERROR_DATABASE_BACKUP_CORRUPT);
        }
        for node in &mut restored.nodes {
            if let Some(now) = current.node(node.id) {
                node.present = now.present;
            }
        }
        let event = Event::of_cluster(&restored.id, notify_cluster::LOST_NOTIFICATIONS, &restored.name);
        if let Some(cluster) = self.cluster_mut(&event.cluster) {
            *cluster = restored;
        }
        self.hosting.stale = true;
        self.events.push(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sid(text: &str) -> Sid {
        Sid::parse(text).unwrap()
    }

    #[test]
    fn a_sid_is_read_and_written() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
        assert_eq!(sid("S-1-5-32-544").write(), bytes);
        assert_eq!(Sid::read(&bytes), Ok((sid("s-1-5-32-544"), 16)));
        // One without parts is no longer than its head.
        let bare = Sid {
            authority: 5,
            parts: Vec::new(),
        };
        assert_eq!(Sid::read(&bare.write()), Ok((bare, 8)));
        for text in [
            "",
            "S-1",
            "S-1-5",
            "S-2-5-1",
            "S-1-5-x",
            "S-1-5--1",
            "S-1-5-4294967296",
            "S-1-281474976710656-1",
        ] {
            assert_eq!(Sid::parse(text), Err(1337), "{text}");
        }
    }

    #[test]
    fn accounts_come_and_go() {
        let mut descriptor = SecurityDescriptor::standard();
        let account = sid("S-1-5-21-1-2-3-1000");
        descriptor.set(&account, 1, false);
        descriptor.set(&account, 3, false);
        descriptor.set(&account, 2, true);
        let read = SecurityDescriptor::read(&descriptor.write()).unwrap();
        assert_eq!(read, descriptor);
        let entries = read.entries.unwrap();
        assert_eq!(entries.len(), 5);
        assert!(matches!(
            &entries[0],
            Entry::Account {
                denied: true,
                mask: 2,
                ..
            }
        ));
        assert!(matches!(
            &entries[4],
            Entry::Account {
                denied: false,
                mask: 3,
                ..
            }
        ));
        assert!(descriptor.remove(&account));
        assert!(!descriptor.remove(&account));
        assert_eq!(descriptor, SecurityDescriptor::standard());
    }

    #[test]
    fn a_cut_descriptor_is_unfit() {
        let whole = SecurityDescriptor::standard().write();
        for length in 0..whole.len() {
            assert_eq!(SecurityDescriptor::read(&whole[..length]), Err(5946), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 3 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(descriptor) = SecurityDescriptor::read(&bytes) {
                prop_assert_eq!(SecurityDescriptor::read(&descriptor.write()), Ok(descriptor));
            }
        }

        #[test]
        fn damage_is_read_or_refused(place in 0_usize..100, byte in any::<u8>()) {
            let mut bytes = SecurityDescriptor::standard().write();
            let place = place % bytes.len();
            bytes[place] = byte;
            if let Ok(descriptor) = SecurityDescriptor::read(&bytes) {
                prop_assert_eq!(SecurityDescriptor::read(&descriptor.write()), Ok(descriptor));
            }
        }
    }
}
