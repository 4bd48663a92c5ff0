//! Which of the cards is meant.

use super::list::Card;
use super::quirks::{self, Quirk};
use super::spec::DeviceSpec;
use crate::pcm::negotiate;
use crate::pcm::port::Direction;
use std::fmt;

/// The device that is meant, and how it is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Selected {
    /// What people call it.
    pub name: String,
    /// ALSA's name for the microphone.
    pub capture: String,
    /// ALSA's name for the loudspeaker.
    pub playout: String,
    /// The card, unless ALSA was given a name.
    pub card: Option<Card>,
    /// What is known about it.
    pub quirk: Quirk,
}

/// Why none is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No desk is wanted.
    #[error("no device is configured")]
    None,
    /// Nothing that could be a speakerphone.
    #[error("there is no card with a microphone and a loudspeaker; there {}", there(.found))]
    NoSpeakerphone {
        /// What is there.
        found: Vec<String>,
    },
    /// Not the one that is named.
    #[error("{wanted} is not there; there {}", there(.found))]
    NotThere {
        /// What was named.
        wanted: String,
        /// What is there.
        found: Vec<String>,
    },
    /// It is there, but it lacks a direction.
    #[error("{wanted} is {found}: a desk needs a microphone and a loudspeaker")]
    HalfOnly {
        /// What was named.
        wanted: String,
        /// What it is.
        found: String,
    },
}

fn there(found: &[String]) -> String {
    match found {
        [] => "is no sound card at all".to_owned(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join("; ")),
    }
}

/// Picks the device that `spec` means.
pub fn select(spec: &DeviceSpec, cards: &[Card]) -> Result<Selected, SelectError> {
    match spec {
        DeviceSpec::None => Err(SelectError::None),
        DeviceSpec::Alsa { capture, playout } => Ok(Selected {
            name: spec.to_string(),
            capture: capture.clone(),
            playout: playout.clone(),
            card: None,
            quirk: quirks::UNKNOWN,
        }),
        DeviceSpec::Auto => auto(cards),
        DeviceSpec::Usb { .. } | DeviceSpec::Path(_) => named(spec, cards),
    }
}

/// Known speakerphones first, then other USB devices, then whatever has both directions; the lowest number among equals.
fn auto(cards: &[Card]) -> Result<Selected, SelectError> {
    let whole = cards.iter().filter_map(|card| Selected::of(card).map(|selected| (rank(card), selected)));
    let best = whole.min_by_key(|(rank, selected)| (*rank, selected.card.as_ref().map(|card| card.index)));
    best.map(|(_, selected)| selected).ok_or_else(|| SelectError::NoSpeakerphone { found: names(cards) })
}

fn rank(card: &Card) -> u8 {
    match &card.usb {
        Some(usb) if quirks::known(usb.vid, usb.pid, &card.name).is_some() => 0,
        Some(_) => 1,
        None => 2,
    }
}

fn named(spec: &DeviceSpec, cards: &[Card]) -> Result<Selected, SelectError> {
    let mut meant: Vec<&Card> = cards.iter().filter(|card| is_meant(spec, card)).collect();
    meant.sort_by_key(|card| card.index);
    if let Some(selected) = meant.iter().find_map(|card| Selected::of(card)) {
        return Ok(selected);
    }
    let wanted = spec.to_string();
    Err(match meant.first() {
        Some(half) => SelectError::HalfOnly { wanted, found: half.to_string() },
        None => SelectError::NotThere { wanted, found: names(cards) },
    })
}

fn is_meant(spec: &DeviceSpec, card: &Card) -> bool {
    let Some(usb) = &card.usb else { return false };
    match spec {
        DeviceSpec::Usb { vid, pid, serial } => {
            (usb.vid, usb.pid) == (*vid, *pid)
                && serial.as_ref().is_none_or(|serial| usb.serial.as_ref() == Some(serial))
        }
        DeviceSpec::Path(path) => usb.id_path.as_ref() == Some(path) || usb.port.as_ref() == Some(path),
        DeviceSpec::Auto | DeviceSpec::Alsa { .. } | DeviceSpec::None => false,
    }
}

impl Selected {
    /// This card, if it has both directions.
    pub fn of(card: &Card) -> Option<Self> {
        let (capture, playout) = (card.capture?, card.playout?);
        let known = card.usb.as_ref().and_then(|usb| quirks::known(usb.vid, usb.pid, &card.name));
        Some(Self {
            name: known.map_or(card.name.as_str(), |quirk| quirk.name).to_owned(),
            capture: format!("hw:CARD={},DEV={capture}", card.id),
            playout: format!("hw:CARD={},DEV={playout}", card.id),
            card: Some(card.clone()),
            quirk: known.unwrap_or(quirks::UNKNOWN),
        })
    }
}

fn names(cards: &[Card]) -> Vec<String> {
    cards.iter().map(Card::to_string).collect()
}

impl fmt::Display for Selected {
    /// How it would be opened.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.name)?;
        for (direction, name) in [(Direction::Capture, &self.capture), (Direction::Playout, &self.playout)] {
            let avoided: Vec<u32> = self.quirk.avoided(direction).collect();
            let rates: Vec<String> =
                negotiate::rates(direction).filter(|hz| !avoided.contains(hz)).map(|hz| hz.to_string()).collect();
            write!(out, "{direction} {name}, first that fits of {} Hz; ", rates.join(", "))?;
        }
        write!(out, "echo: {}", self.quirk.echo.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::list::Usb;
    use crate::knobs::EchoMode;

    fn card(index: u32, name: &str, usb: Option<(u16, u16, &str, &str)>, both: bool) -> Card {
        Card {
            index,
            id: format!("C{index}"),
            name: name.to_owned(),
            capture: both.then_some(0),
            playout: Some(0),
            usb: usb.map(|(vid, pid, serial, port)| Usb {
                vid,
                pid,
                serial: Some(serial.to_owned()),
                port: Some(port.to_owned()),
                id_path: Some(format!("platform-usb-0:{port}")),
                sysfs: None,
                speed: Some(12),
            }),
        }
    }

    fn clinic() -> Vec<Card> {
        vec![
            card(0, "HDMI", None, false),
            card(1, "Webcam", Some((0x046D, 0x0825, "W1", "1-1")), true),
            card(2, "Jabra SPEAK 510 USB", Some((0x0B0E, 0x0422, "A", "1-2")), true),
            card(3, "Jabra SPEAK 510 USB", Some((0x0B0E, 0x0422, "B", "1-3")), true),
        ]
    }

    fn pick(spec: &str, cards: &[Card]) -> Result<u32, SelectError> {
        select(&spec.parse().unwrap(), cards).map(|selected| selected.card.map_or(u32::MAX, |card| card.index))
    }

    #[test]
    fn auto_takes_a_known_speakerphone_before_anything_else() {
        assert_eq!(pick("auto", &clinic()), Ok(2));
        assert_eq!(pick("auto", &clinic()[..2]), Ok(1), "a stranger with both directions");
        let error = pick("auto", &clinic()[..1]).unwrap_err().to_string();
        assert!(error.contains("HDMI [C0]: loudspeaker only"), "{error}");
        assert!(pick("auto", &[]).unwrap_err().to_string().contains("no sound card at all"));
    }

    #[test]
    fn a_serial_number_or_a_port_tells_twins_apart() {
        assert_eq!(pick("usb:0b0e:0422", &clinic()), Ok(2));
        assert_eq!(pick("usb:0b0e:0422:B", &clinic()), Ok(3));
        assert_eq!(pick("path:1-3", &clinic()), Ok(3));
        assert_eq!(pick("path:platform-usb-0:1-2", &clinic()), Ok(2));
        let error = pick("usb:047f:0001", &clinic()).unwrap_err().to_string();
        assert!(error.starts_with("usb:047f:0001 is not there; there are HDMI"), "{error}");
        assert_eq!(pick("none", &clinic()), Err(SelectError::None));
    }

    #[test]
    fn a_device_without_a_microphone_is_said_to_be_one() {
        let mut cards = clinic();
        cards[2].capture = None;
        let error = pick("usb:0b0e:0422:A", &cards).unwrap_err().to_string();
        assert!(error.contains("loudspeaker only") && error.contains("needs a microphone"), "{error}");
    }

    #[test]
    fn how_it_would_be_opened_can_be_read() {
        let selected = select(&DeviceSpec::Auto, &clinic()).unwrap();
        assert_eq!((selected.name.as_str(), selected.quirk.echo), ("Jabra Speak 510", EchoMode::Device));
        let text = selected.to_string();
        assert!(text.contains("playout hw:CARD=C2,DEV=0, first that fits of 48000, 32000"), "{text}");
        assert!(!text.contains("44100, 16000, 8000"), "16 kHz playout is avoided: {text}");
        let named = select(&"alsa:speakerphone".parse().unwrap(), &[]).unwrap();
        assert_eq!((named.capture.as_str(), named.playout.as_str()), ("speakerphone", "speakerphone"));
        assert_eq!(named.quirk.echo, EchoMode::Software);
    }
}
