//! The arrows between packages: core <- hw <- daemon, and the simulators, which judge the product, know nothing of it. Inside the
//! daemon, no two parts need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The packages of this workspace that `package` depends on, tests included.
fn dependencies(manifest: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(manifest).join("Cargo.toml");
    let text = std::fs::read_to_string(path).expect("every package has a manifest");
    let manifest: toml::Table = text.parse().expect("cargo has read it too");
    let mut found: Vec<String> = ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect();
    found.sort();
    found
}

fn ours(manifest: &str) -> Vec<String> {
    dependencies(manifest).into_iter().filter(|name| name.starts_with("frontdesk")).collect()
}

#[test]
fn arrows_point_one_way() {
    assert_eq!(ours("daemon/core"), [""; 0]);
    assert_eq!(ours("hw"), ["frontdesk-core"]);
    assert_eq!(ours("daemon"), ["frontdesk-core", "frontdesk-hw"]);
    assert_eq!(ours("tests/voice"), [""; 0]);
    assert_eq!(ours("tests/gemini-sim"), ["frontdesk-voice"]);
    assert_eq!(ours("tests/twilio-sim"), ["frontdesk-voice"]);
    assert_eq!(ours("tests/google-sim"), [""; 0]);
    assert_eq!(ours("tests/usb-sim"), [""; 0]);
}

#[test]
fn the_core_knows_no_runtime_socket_file_or_clock() {
    let core = dependencies("daemon/core");
    for fenced in ["tokio", "axum", "hyper", "reqwest", "rusqlite", "rustls", "log", "alsa", "lettre", "minijinja"] {
        assert!(!core.iter().any(|name| name == fenced), "frontdesk-core depends on {fenced}");
    }
}

#[test]
fn the_sound_card_knows_no_runtime_network_or_log() {
    let hw = dependencies("hw");
    for fenced in ["tokio", "axum", "hyper", "reqwest", "rusqlite", "rustls", "log", "serde", "tracing"] {
        assert!(!hw.iter().any(|name| name == fenced), "frontdesk-hw depends on {fenced}");
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of this repository");
    entries.map(|entry| entry.expect("nobody changes it meanwhile").path()).collect()
}

/// The parts of the daemon that the files of `part` name, itself excepted.
fn named_by(part: &Path) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let mut open = vec![part.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(listed(&path));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it is listed");
        for (at, prefix) in text.match_indices("crate::") {
            let rest = &text[at + prefix.len()..];
            // One after the other, or in braces.
            let list = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(rest, |(list, _)| list);
            let words = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
            let word =
                |text: &str| text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned);
            named.extend(words.into_iter().filter_map(word));
        }
    }
    named
}

#[test]
fn the_daemons_parts_stand_in_an_order() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/src");
    let mut parts: BTreeMap<String, BTreeSet<String>> = listed(&source)
        .into_iter()
        .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), named_by(&path))))
        .collect();
    let known: BTreeSet<String> = parts.keys().cloned().collect();
    for (part, named) in &mut parts {
        named.retain(|name| name != part && known.contains(name));
    }
    assert!(parts["http"].contains("phone") && parts["phone"].contains("live"), "the arrows are read: {parts:?}");
    // Whoever needs nobody any more is taken away, until nobody is left.
    while let Some(free) = parts.iter().find(|(_, named)| named.is_empty()).map(|(part, _)| part.clone()) {
        parts.remove(&free);
        for named in parts.values_mut() {
            named.remove(&free);
        }
    }
    assert!(parts.is_empty(), "these need each other in a circle: {parts:?}");
}
