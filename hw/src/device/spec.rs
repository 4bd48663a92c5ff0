//! What `desk.device` may say.

use std::fmt;
use std::str::FromStr;

/// A device as the technician names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DeviceSpec {
    /// `auto`: the first card with a microphone and a loudspeaker, known speakerphones first.
    Auto,
    /// `usb:VID:PID` or `usb:VID:PID:SERIAL`: this model, or this very device, in any port.
    Usb {
        /// Vendor.
        vid: u16,
        /// Product.
        pid: u16,
        /// Serial number, when there are several of them.
        serial: Option<String>,
    },
    /// `path:ID_PATH`: whatever is in this port, by udev's name or by the kernel's (`1-1.2`).
    Path(String),
    /// `alsa:NAME`, or `alsa:CAPTURE,PLAYOUT` for two names: anything that ALSA opens.
    Alsa {
        /// For the microphone.
        capture: String,
        /// For the loudspeaker.
        playout: String,
    },
    /// `none`: no desk.
    None,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No such kind.
    #[error("{text:?} names no device: write auto, usb:VID:PID, path:ID_PATH, alsa:NAME or none")]
    Kind {
        /// What was written.
        text: String,
    },
    /// Not two numbers.
    #[error(
        "{text:?}: a USB device is four hexadecimal digits twice, as `lsusb` prints them, for example usb:0b0e:0422, and \
         optionally its serial number"
    )]
    Usb {
        /// What was written.
        text: String,
    },
    /// Nothing behind the colon.
    #[error("{text:?}: something must follow the colon, for example {example}")]
    Empty {
        /// What was written.
        text: String,
        /// What would do.
        example: &'static str,
    },
    /// A name that cannot be.
    #[error("{text:?}: a name holds no control characters")]
    Control {
        /// What was written.
        text: String,
    },
}

impl FromStr for DeviceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(SpecError::Control { text: text.to_owned() });
        }
        let kind = || SpecError::Kind { text: text.to_owned() };
        match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let (word, rest) = text.split_once(':').ok_or_else(kind)?;
        let rest = rest.trim();
        let empty = |example| SpecError::Empty { text: text.to_owned(), example };
        match word {
            "usb" => usb(rest).ok_or_else(|| SpecError::Usb { text: text.to_owned() }),
            "path" if rest.is_empty() => Err(empty("path:platform-xhci-hcd.0-usb-0:1:1.0")),
            "path" => Ok(Self::Path(rest.to_owned())),
            "alsa" => alsa(rest).ok_or_else(|| empty("alsa:hw:CARD=FrontDesk,DEV=0")),
            _ => Err(kind()),
        }
    }
}

fn usb(rest: &str) -> Option<DeviceSpec> {
    let (vid, rest) = rest.split_once(':')?;
    let (pid, serial) = match rest.split_once(':') {
        Some((pid, serial)) => (pid, Some(serial).filter(|serial| !serial.is_empty())?.to_owned().into()),
        None => (rest, None),
    };
    Some(DeviceSpec::Usb { vid: hex4(vid)?, pid: hex4(pid)?, serial })
}

/// Four hexadecimal digits: `from_str_radix` alone would take a sign and fewer.
pub(super) fn hex4(text: &str) -> Option<u16> {
    (text.len() == 4 && text.bytes().all(|it| it.is_ascii_hexdigit())).then(|| u16::from_str_radix(text, 16).ok())?
}

/// One name for both directions, or two. ALSA's own names hold commas, between `KEY=value` pairs or before the number of
/// a device (`hw:0,0`), so a comma separates two names only where a new one can begin.
fn alsa(rest: &str) -> Option<DeviceSpec> {
    let begins_a_name = |text: &str| {
        let first = text.split([':', ',']).next().unwrap_or(text);
        !first.contains('=') && first.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
    };
    let split = rest.match_indices(',').find(|(at, _)| begins_a_name(&rest[at + 1..]));
    let (capture, playout) = split.map_or((rest, rest), |(at, _)| (&rest[..at], &rest[at + 1..]));
    (!capture.is_empty() && !playout.is_empty())
        .then(|| DeviceSpec::Alsa { capture: capture.to_owned(), playout: playout.to_owned() })
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::None => out.write_str("none"),
            Self::Usb { vid, pid, serial: None } => write!(out, "usb:{vid:04x}:{pid:04x}"),
            Self::Usb { vid, pid, serial: Some(serial) } => write!(out, "usb:{vid:04x}:{pid:04x}:{serial}"),
            Self::Path(path) => write!(out, "path:{path}"),
            Self::Alsa { capture, playout } if capture == playout => write!(out, "alsa:{capture}"),
            Self::Alsa { capture, playout } => write!(out, "alsa:{capture},{playout}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn alsa_names(text: &str) -> (String, String) {
        match text.parse().unwrap() {
            DeviceSpec::Alsa { capture, playout } => (capture, playout),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_documented_is_understood() {
        assert_eq!("auto".parse(), Ok(DeviceSpec::Auto));
        assert_eq!(" none ".parse(), Ok(DeviceSpec::None));
        let jabra = DeviceSpec::Usb { vid: 0x0B0E, pid: 0x0422, serial: None };
        assert_eq!("usb:0b0e:0422".parse(), Ok(jabra.clone()));
        assert_eq!("usb:0B0E:0422".parse(), Ok(jabra));
        let serial = Some("1C48F9:2".to_owned());
        assert_eq!("usb:0b0e:0422:1C48F9:2".parse(), Ok(DeviceSpec::Usb { vid: 0x0B0E, pid: 0x0422, serial }));
        assert_eq!("path:1-1.2".parse(), Ok(DeviceSpec::Path("1-1.2".to_owned())));
    }

    #[test]
    fn the_commas_of_alsa_separate_two_names_only_between_names() {
        let same = |name: &str| (name.to_owned(), name.to_owned());
        for name in ["speakerphone", "hw:0,0", "hw:CARD=USB,DEV=0", "plughw:CARD=A_1,DEV=0,SUBDEV=1"] {
            assert_eq!(alsa_names(&format!("alsa:{name}")), same(name));
        }
        let two = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(alsa_names("alsa:mic,speaker"), two("mic", "speaker"));
        assert_eq!(alsa_names("alsa:hw:0,0,hw:CARD=B,DEV=1"), two("hw:0,0", "hw:CARD=B,DEV=1"));
    }

    #[test]
    fn what_is_wrong_is_answered_with_what_would_do() {
        let error = |text: &str| text.parse::<DeviceSpec>().unwrap_err().to_string();
        assert!(error("jabra").contains("write auto, usb:VID:PID"));
        assert!(error("hw:0,0").contains("alsa:NAME"));
        for text in ["usb:b0e:0422", "usb:0b0e", "usb:0b0e:+422", "usb:0b0e:0422:", "usb:"] {
            assert!(error(text).contains("usb:0b0e:0422"), "{text}");
        }
        assert!(error("path:").contains("for example path:"));
        assert!(error("alsa:").contains("for example alsa:"));
        assert!(error("alsa:a\u{7}b").contains("control"));
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused_and_what_is_understood_reads_back(
            text in prop_oneof![
                any::<String>(),
                "(usb|path|alsa|auto|none):?[0-9a-fA-F:,=A-Z_]{0,20}",
                "alsa:[a-z]{1,4}(:[0-9],[0-9])?(,[a-z]{1,4})?(,[A-Z]=[0-9])?",
            ]
        ) {
            if let Ok(spec) = text.parse::<DeviceSpec>() {
                prop_assert_eq!(spec.to_string().parse::<DeviceSpec>(), Ok(spec));
            }
        }
    }
}
