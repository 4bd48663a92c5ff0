//! The arrows between packages: core <- daemon, and the simulators, which judge the product, know nothing of it.

use std::path::Path;

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
    assert_eq!(ours("daemon"), ["frontdesk-core"]);
    assert_eq!(ours("tests/voice"), [""; 0]);
    assert_eq!(ours("tests/gemini-sim"), ["frontdesk-voice"]);
    assert_eq!(ours("tests/twilio-sim"), ["frontdesk-voice"]);
}

#[test]
fn the_core_knows_no_runtime_socket_file_or_clock() {
    let core = dependencies("daemon/core");
    for fenced in ["tokio", "axum", "hyper", "reqwest", "rusqlite", "rustls", "log", "alsa", "jiff"] {
        assert!(!core.iter().any(|name| name == fenced), "frontdesk-core depends on {fenced}");
    }
}
