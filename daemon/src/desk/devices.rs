//! The sound cards of this machine, for the technician who chooses one.

use frontdesk_hw::device::{Card, DeviceSpec, Roots, list, select};

use crate::http::reply::DeskDevice;

/// Looks at all cards. Opens their control nodes: not for the runtime's threads.
pub fn look(wanted: &DeviceSpec) -> Vec<DeskDevice> {
    let cards = list(&Roots::default());
    let chosen = select(wanted, &cards).ok().and_then(|selected| selected.card).map(|card| card.index);
    let mut devices: Vec<_> = cards.iter().map(|card| describe(card, chosen)).collect();
    if let DeviceSpec::Alsa { .. } = wanted {
        // No card, or one under another name: the list would mark none.
        devices.insert(0, named(wanted));
    }
    devices
}

/// What is chosen by a name of ALSA's.
fn named(wanted: &DeviceSpec) -> DeskDevice {
    DeskDevice {
        spec: wanted.to_string(),
        name: "as ALSA's configuration says".to_owned(),
        capture: true,
        playout: true,
        opens: "whatever has that name".to_owned(),
        chosen: true,
    }
}

fn describe(card: &Card, chosen: Option<u32>) -> DeskDevice {
    let spec = spec(card);
    let opens = match select(&spec, std::slice::from_ref(card)) {
        Ok(selected) => selected.to_string(),
        Err(error) => error.to_string(),
    };
    DeskDevice {
        spec: spec.to_string(),
        name: card.name.clone(),
        capture: card.capture.is_some(),
        playout: card.playout.is_some(),
        opens,
        chosen: chosen == Some(card.index),
    }
}

/// What names this card and stays true when it is plugged in again.
fn spec(card: &Card) -> DeviceSpec {
    if let Some(usb) = &card.usb {
        return DeviceSpec::Usb { vid: usb.vid, pid: usb.pid, serial: usb.serial.clone() };
    }
    let name = format!("hw:CARD={}", card.id);
    DeviceSpec::Alsa { capture: name.clone(), playout: name }
}
