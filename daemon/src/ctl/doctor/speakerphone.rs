//! `speakerphone`: whether there is one with a microphone and a loudspeaker, whether the daemon may use it, and whether somebody
//! else does.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use frontdesk_hw::device::list::owner;
use frontdesk_hw::device::{Card, DeviceSpec, Roots, SelectError, list, select};
use frontdesk_hw::hid::hidraw;
use frontdesk_hw::pcm::port::Direction;

use super::finding::Finding;
use super::system::System;
use crate::http::reply::{DeskHealth, DeskWord};

const DAEMON: &str = "frontdeskd";
/// The unit's user and groups (`systemd/`).
const SOUND_GROUP: &str = "audio";
const BUTTONS_GROUP: &str = "frontdesk";

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    /// What would be used, by name; or why nothing.
    pub(super) chosen: Option<Result<String, Trouble>>,
    /// Nodes that the daemon's user may not use, each with the group that they should have.
    pub(super) closed: Vec<(String, &'static str)>,
    /// Another program that has its sound open.
    pub(super) taken_by: Option<String>,
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// None is wanted.
    NotWanted,
    /// It is not there, or only half.
    NotThere(String),
}

/// Looks at this machine's cards. Opens their control nodes.
pub(super) fn look(system: &System, wanted: &DeviceSpec) -> Facts {
    let roots = Roots { proc: system.path("/proc"), sys: system.path("/sys"), udev: system.path("/run/udev/data") };
    let chosen = match select(wanted, &list(&roots)) {
        Err(SelectError::None) => return Facts { chosen: Some(Err(Trouble::NotWanted)), ..Facts::default() },
        Err(error) => return Facts { chosen: Some(Err(Trouble::NotThere(error.to_string()))), ..Facts::default() },
        Ok(selected) => selected,
    };
    let card = chosen.card.as_ref();
    Facts {
        chosen: Some(Ok(chosen.name.clone())),
        closed: card.map(|card| closed(system, &roots, card)).unwrap_or_default(),
        taken_by: card.and_then(|card| taken_by(&roots, card)),
    }
}

fn closed(system: &System, roots: &Roots, card: &Card) -> Vec<(String, &'static str)> {
    let index = card.index;
    let streams = [(card.capture, 'c'), (card.playout, 'p')];
    let mut nodes = vec![(format!("/dev/snd/controlC{index}"), SOUND_GROUP)];
    nodes.extend(
        streams
            .iter()
            .filter_map(|(device, way)| Some((format!("/dev/snd/pcmC{index}D{}{way}", (*device)?), SOUND_GROUP))),
    );
    let place = card.usb.as_ref().and_then(|usb| usb.sysfs.clone());
    if let Some(node) = place.and_then(|place| hidraw::find(&roots.sys, &place).ok()) {
        nodes.push((format!("/dev/{}", node.name), BUTTONS_GROUP));
    }
    let groups = system.read("/etc/group").unwrap_or_default();
    nodes.retain(|(node, group)| !is_open(&system.path(node), gid(&groups, group)));
    nodes
}

/// Whether the group may read and write it. What cannot be looked at is not complained of.
fn is_open(node: &Path, group: Option<u32>) -> bool {
    let Ok(about) = std::fs::metadata(node) else { return true };
    let bits = about.mode();
    bits & 0o006 == 0o006 || (bits & 0o060 == 0o060 && group.is_none_or(|group| about.gid() == group))
}

/// group(5): `name:password:gid:members`.
fn gid(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split(':').nth(1)?.parse().ok())
}

fn taken_by(roots: &Roots, card: &Card) -> Option<String> {
    let one = |device: Option<u32>, direction| owner(card.index, device?, direction, roots);
    let owners = [one(card.capture, Direction::Capture), one(card.playout, Direction::Playout)];
    owners.into_iter().flatten().find(|owner| !owner.starts_with(DAEMON))
}

/// The check; `desk` is what the daemon says, if it runs.
pub(super) fn judge(facts: &Facts, desk: Option<&DeskHealth>) -> Vec<Finding> {
    let list = "frontdeskctl desk list";
    let name = match &facts.chosen {
        None => return vec![Finding::skipped("which is wanted is known when the configuration can be read")],
        Some(Err(Trouble::NotWanted)) => return vec![Finding::ok("none is wanted ([desk] device = \"none\")")],
        Some(Err(Trouble::NotThere(why))) => {
            let what = format!("{why}. Is it plugged in, and does a cable of its own lead there?");
            return vec![Finding::wrong(what, format!("lsusb; {list}"))];
        }
        Some(Ok(name)) => name,
    };
    let mut findings = Vec::new();
    if let Some(owner) = &facts.taken_by {
        let what = format!("the sound of {name} is in use by another program, {owner}");
        findings.push(Finding::wrong(what, "sudo fuser -v /dev/snd/*; then end that program, or remove its package"));
    }
    for (node, group) in &facts.closed {
        let (what, subsystem) = match *group {
            BUTTONS_GROUP => (
                format!(
                    "the daemon may not use the buttons and lamps of {name}: {node} is not open to the group {group}"
                ),
                "hidraw",
            ),
            _ => (
                format!("the daemon may not use the sound of {name}: {node} is not open to the group {group}"),
                "sound",
            ),
        };
        findings.push(Finding::wrong(
            what,
            format!("sudo udevadm control --reload && sudo udevadm trigger --subsystem-match={subsystem}  (frontdeskctl desk prints the rule for a model that is not known)"),
        ));
    }
    if let Some(DeskHealth { state: DeskWord::Absent, why, .. }) = desk
        && findings.is_empty()
    {
        let why = why.as_deref().unwrap_or("it does not say why");
        findings.push(Finding::wrong(
            format!("{name} is there, but the daemon does not use it: {why}"),
            "frontdeskctl desk",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(format!("{name}; to hear it: frontdeskctl desk test")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::Outcome;

    #[test]
    fn what_keeps_the_daemon_from_it_is_told_with_the_remedy() {
        let there = Facts { chosen: Some(Ok("Jabra Speak2 55".to_owned())), ..Facts::default() };
        let absent =
            DeskHealth { state: DeskWord::Absent, device: None, why: Some("busy".to_owned()), standing_by: false };
        let taken = Facts { taken_by: Some("pulseaudio (process 812)".to_owned()), ..there.clone() };
        let closed = Facts { closed: vec![("/dev/hidraw0".to_owned(), BUTTONS_GROUP)], ..there.clone() };
        let gone = Facts {
            chosen: Some(Err(Trouble::NotThere("there is no sound card at all".to_owned()))),
            ..Facts::default()
        };
        let none = Facts { chosen: Some(Err(Trouble::NotWanted)), ..Facts::default() };
        for (facts, desk, outcome, said, fix) in [
            (&there, None, Outcome::Ok, "Jabra Speak2 55", ""),
            (&none, None, Outcome::Ok, "none is wanted", ""),
            (&gone, None, Outcome::Wrong, "no sound card at all", "lsusb"),
            (&taken, None, Outcome::Wrong, "pulseaudio (process 812)", "fuser -v"),
            (&closed, None, Outcome::Wrong, "/dev/hidraw0 is not open", "udevadm trigger --subsystem-match=hidraw"),
            (&there, Some(&absent), Outcome::Wrong, "does not use it: busy", "frontdeskctl desk"),
            (&Facts::default(), None, Outcome::Skipped, "when the configuration", ""),
        ] {
            let findings = judge(facts, desk);
            assert!(findings[0].outcome == outcome && findings[0].what.contains(said), "{findings:?}");
            assert!(findings[0].fix.as_deref().unwrap_or_default().contains(fix), "{findings:?}");
        }
    }

    #[test]
    fn a_node_is_open_to_a_group_or_to_all() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let node = home.path().join("hidraw0");
        std::fs::write(&node, "").unwrap();
        let ours = std::fs::metadata(&node).unwrap().gid();
        for (mode, group, open) in [
            (0o660, Some(ours), true),
            (0o660, Some(ours + 1), false),
            (0o600, Some(ours), false),
            (0o666, Some(ours + 1), true),
            (0o640, Some(ours), false),
        ] {
            std::fs::set_permissions(&node, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open(&node, group), open, "{mode:o}");
        }
        assert_eq!(gid("root:x:0:\naudio2:x:7:\naudio:x:29:frontdesk\n", "audio"), Some(29));
    }
}
