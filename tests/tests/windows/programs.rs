//! The files themselves: what they need of Windows, how they may be loaded, and what they carry as resources.

use std::collections::BTreeSet;
use std::fs;

use object::read::pe::{ImageNtHeaders as _, PeFile64, ResourceDirectoryTable};
use object::{LittleEndian as LE, Object as _, pe};
use wsfc_tests::wine;

/// What the daemon's and the command line's programs and the simulated library may be linked with: libraries that
/// Windows Server 2016 carries in every edition, Server Core included. `clusapi.dll` comes with a feature, so it is
/// loaded by name at run time and is none of them.
const SYSTEM_LIBRARIES: [&str; 20] = [
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-core-winrt-error-l1-1-0.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "crypt32.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "ktmw32.dll",
    "msvcrt.dll",
    "ncrypt.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "rpcrt4.dll",
    "secur32.dll",
    "shell32.dll",
    "userenv.dll",
    "ws2_32.dll",
];

const FILES: [&str; 4] = ["wsfcd.exe", "wsfcctl.exe", "wsfcres.dll", "clusapi.dll"];

/// Calls a test for the image of each file.
fn for_each(test: impl Fn(&str, &PeFile64<'_>)) {
    for name in FILES {
        let bytes = fs::read(wine::program(name)).unwrap();
        println!("{name}: {} bytes", bytes.len());
        test(name, &PeFile64::parse(bytes.as_slice()).unwrap());
    }
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn nothing_is_needed_that_windows_does_not_carry() {
    for_each(|name, file| {
        let table = file.import_table().unwrap().unwrap();
        let mut descriptors = table.descriptors().unwrap();
        let mut needed = BTreeSet::new();
        while let Some(descriptor) = descriptors.next().unwrap() {
            let library = table.name(descriptor.name.get(LE)).unwrap();
            needed.insert(String::from_utf8_lossy(library).to_ascii_lowercase());
        }
        println!("{name} needs {needed:?}");
        let foreign: Vec<_> = needed
            .iter()
            .filter(|library| !SYSTEM_LIBRARIES.contains(&library.as_str()))
            .collect();
        assert!(foreign.is_empty(), "{name} needs {foreign:?}");
        assert!(
            needed.contains("kernel32.dll"),
            "the import table of {name} was not read"
        );
        // A library could also be asked for at the first call.
        assert!(
            file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT)
                .is_none_or(|entry| entry.size.get(LE) == 0)
        );
    });
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn addresses_are_random_and_data_is_no_code() {
    let wanted = pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE
        | pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA
        | pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT;
    for_each(|name, file| {
        let headers = file.nt_headers();
        let characteristics = headers.optional_header.dll_characteristics.get(LE);
        assert_eq!(characteristics & wanted, wanted, "{name}: {characteristics:#x}");
        let stripped = headers.file_header().characteristics.get(LE) & pe::IMAGE_FILE_RELOCS_STRIPPED;
        assert_eq!(stripped, 0, "{name} cannot be moved");
        // Sections that can be written and run at once would undo it.
        let both = pe::IMAGE_SCN_MEM_WRITE | pe::IMAGE_SCN_MEM_EXECUTE;
        assert!(
            file.section_table()
                .iter()
                .all(|section| section.characteristics.get(LE) & both != both)
        );
        let machine = headers.file_header().machine.get(LE);
        assert_eq!(machine, pe::IMAGE_FILE_MACHINE_AMD64);
    });
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn debug_information_lies_beside() {
    for_each(|name, file| {
        // The name of that file, and its checksum, are the last section.
        let section = file.section_table().iter().last().unwrap();
        let link = section.pe_data(file.data()).unwrap();
        assert!(link.starts_with(format!("{name}.debug\0").as_bytes()), "{name}");
        assert!(wine::program(&format!("{name}.debug")).is_file());
        assert!(file.symbols().next().is_none(), "{name} is not stripped");
    });
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn versions_are_those_of_the_crates() {
    for_each(|name, file| {
        let version = resource(file, pe::RT_VERSION).unwrap();
        // VS_FIXEDFILEINFO stands behind a header of 6 bytes and its key, at a multiple of 4, and begins with a signature.
        let fixed = &version[40..];
        assert_eq!(long(fixed, 0), 0xFEEF_04BD);
        let numbers = [long(fixed, 8) >> 16, long(fixed, 8) & 0xFFFF, long(fixed, 12) >> 16];
        let release = env!("CARGO_PKG_VERSION").split('-').next().unwrap();
        assert_eq!(numbers.map(|number| number.to_string()).join("."), release);
        let kind = if name.ends_with(".dll") { 2 } else { 1 };
        assert_eq!(long(fixed, 36), kind, "VFT_APP or VFT_DLL");
        for text in [name, env!("CARGO_PKG_VERSION"), "MIT OR Apache-2.0"] {
            let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(version.windows(text.len()).any(|part| part == text), "{name}");
        }
    });
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn programs_carry_icon_and_manifest() {
    for_each(|name, file| {
        if name.ends_with(".dll") {
            assert!(resource(file, pe::RT_MANIFEST).is_none());
            return;
        }
        assert!(resource(file, pe::RT_GROUP_ICON).is_some());
        let manifest = String::from_utf8(resource(file, pe::RT_MANIFEST).unwrap()).unwrap();
        for wanted in [
            "asInvoker",
            "longPathAware",
            "UTF-8",
            "8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a",
        ] {
            assert!(manifest.contains(wanted), "{name}: {manifest}");
        }
    });
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_event_log_finds_every_text() {
    let bytes = fs::read(wine::program("wsfcd.exe")).unwrap();
    let table = resource(&PeFile64::parse(bytes.as_slice()).unwrap(), pe::RT_MESSAGETABLE).unwrap();
    let mut found = Vec::new();
    for block in 0..place(&table, 0) {
        let block = 4 + 12 * block;
        let mut entry = place(&table, block + 8);
        for identifier in long(&table, block)..=long(&table, block + 4) {
            let length = usize::from(table[entry]) | usize::from(table[entry + 1]) << 8;
            let text = &table[entry + 4..entry + length];
            let text = if table[entry + 2] == 1 {
                let units = text.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
                String::from_utf16(&units.collect::<Vec<_>>()).unwrap()
            } else {
                String::from_utf8(text.to_vec()).unwrap()
            };
            found.push((identifier, text.trim_end_matches(['\r', '\n', '\0']).to_owned()));
            entry += length;
        }
    }
    let mut expected: Vec<_> = wsfcd::events::MESSAGES
        .iter()
        .map(|message| (message.identifier(), message.text.to_owned()))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// The first resource of a kind.
fn resource(file: &PeFile64<'_>, kind: u16) -> Option<Vec<u8>> {
    let directory = file
        .data_directories()
        .resource_directory(file.data(), &file.section_table())
        .unwrap()?;
    let entry = entry(&directory.root().unwrap(), kind)?;
    let names = entry.data(directory).unwrap().table()?;
    let languages = names.entries.first()?.data(directory).unwrap().table()?;
    let data = languages.entries.first()?.data(directory).unwrap().data()?;
    let address = data.offset_to_data.get(LE);
    let bytes = file.section_table().pe_data_at(file.data(), address)?;
    Some(bytes[..usize::try_from(data.size.get(LE)).unwrap()].to_vec())
}

fn entry(table: &ResourceDirectoryTable<'_>, kind: u16) -> Option<pe::ImageResourceDirectoryEntry> {
    let entries = table.entries.iter();
    entries.copied().find(|entry| entry.name_or_id().id() == Some(kind))
}

fn long(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

fn place(bytes: &[u8], offset: usize) -> usize {
    usize::try_from(long(bytes, offset)).unwrap()
}
