//! A report descriptor, reduced to the keys and lamps of a telephone.
//!
//! The parser (beside this) is our own: hidreport 0.6.0, the one kept crate for this, ends the process on descriptors of fourteen bytes
//! (November 2026: a usage without a page panics; usage ranges and report counts of 32 bits are written out in memory).
//! This one keeps usages as ranges and looks only for those it wants, so time and memory follow the descriptor's own
//! length. Limits are those of Linux (`drivers/hid/hid-core.c`), which refuses such devices before we see them.

use super::items::items;
use super::parser::{MAX_COUNT, MAX_DEPTH, MAX_SIZE, Parser};
use std::collections::BTreeMap;

/// Bytes of the longest descriptor: `HID_MAX_DESCRIPTOR_SIZE`.
pub const MAX_DESCRIPTOR: usize = 4096;
/// Bytes of the longest report: `HID_MAX_BUFFER_SIZE`.
pub const MAX_REPORT: usize = 16_384;

/// Why a report descriptor cannot be used. `at` is an offset in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// There is none.
    #[error("the report descriptor is empty")]
    Empty,
    /// No kernel would have accepted it.
    #[error("the report descriptor has {len} bytes; {MAX_DESCRIPTOR} are allowed")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// It ends in the middle of an item.
    #[error("the report descriptor ends within the item at byte {at}")]
    Truncated {
        /// Where that item begins.
        at: usize,
    },
    /// Collections were opened and not closed.
    #[error("the report descriptor ends with {open} collections open")]
    Unclosed {
        /// How many.
        open: usize,
    },
    /// A collection is closed that was not opened.
    #[error("the item at byte {at} closes a collection, and none is open")]
    NotOpen {
        /// Where.
        at: usize,
    },
    /// Collections in collections.
    #[error("the collection at byte {at} is more than {MAX_DEPTH} deep")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// Globals are restored that were not saved, or saved too often.
    #[error("the push or pop at byte {at} has no counterpart")]
    Unbalanced {
        /// Where.
        at: usize,
    },
    /// Zero, or more than a byte.
    #[error("the report id {id} at byte {at} is not within 1 to 255")]
    ReportId {
        /// Where.
        at: usize,
        /// The id.
        id: u32,
    },
    /// A field that no report can hold.
    #[error("the item at byte {at} has {count} fields of {size} bits; {MAX_COUNT} of {MAX_SIZE} are allowed")]
    FieldSize {
        /// Where.
        at: usize,
        /// Bits of each field.
        size: u32,
        /// How many fields.
        count: u32,
    },
    /// A report that no buffer can hold.
    #[error("the report with id {id} grows beyond {MAX_REPORT} bytes at byte {at}")]
    ReportSize {
        /// Where.
        at: usize,
        /// The report's id; 0 for a device without ids.
        id: u8,
    },
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Telephony page, hook switch.
    HookSwitch,
    /// Telephony page, phone mute.
    PhoneMute,
    /// Telephony page, flash.
    Flash,
    /// Telephony page, redial.
    Redial,
    /// Telephony page, drop.
    Drop,
    /// Telephony page, line busy tone: what the device takes for a call.
    LineBusy,
    /// Consumer page, volume increment.
    VolumeUp,
    /// Consumer page, volume decrement.
    VolumeDown,
}

/// What a lamp (or ringer) shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lamp {
    /// LED page, off-hook: the device's call state.
    OffHook,
    /// LED page, mute.
    Mute,
    /// LED page, ring.
    Ring,
    /// LED page, hold.
    Hold,
    /// LED page, microphone: some show mute here, others the contrary, so it is told and left alone.
    Microphone,
    /// LED page, on-line.
    Online,
    /// Telephony page, ringer.
    Ringer,
}

/// How a key speaks, by the flags of its main item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Absolute without a preferred state: the value is the state, as long as it follows its lamp.
    Switch,
    /// Absolute with a preferred state: 1 while it is pressed; yet some devices mean a [`Kind::Switch`].
    Momentary,
    /// Relative, 0 and 1: each 1 asks for the other state (one-shot and toggle controls).
    Toggle,
    /// Relative, −1 to 1: 1 asks for on, −1 for off.
    TwoWay,
}

/// Where in a report a control stands. Offsets in bits, without the byte of the report id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A field of its own.
    Field {
        /// Its first bit.
        offset: u32,
        /// Its bits, 1 to 32.
        size: u32,
        /// Whether it is two's complement.
        signed: bool,
    },
    /// An index that may stand in any slot of an array.
    Slots {
        /// The first slot's first bit.
        offset: u32,
        /// Bits of one slot, 1 to 32.
        size: u32,
        /// Slots.
        count: u32,
        /// What stands in a slot when it is on.
        index: u32,
        /// What stands in a slot when nothing is.
        none: u32,
    },
}

impl Place {
    /// The first bit behind it.
    pub fn end(&self) -> u32 {
        match *self {
            Self::Field { offset, size, .. } => offset + size,
            Self::Slots { offset, size, count, .. } => offset + size * count,
        }
    }
}

/// A key of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyControl {
    /// What it asks for.
    pub key: Key,
    /// How it speaks.
    pub kind: Kind,
    /// The report it stands in; 0 for a device without report ids.
    pub report: u8,
    /// Where in it.
    pub place: Place,
}

/// A lamp of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LampControl {
    /// What it shows.
    pub lamp: Lamp,
    /// The report it stands in; 0 for a device without report ids.
    pub report: u8,
    /// Where in it.
    pub place: Place,
}

/// What a device has for us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// Its keys, in the order of the descriptor.
    pub keys: Vec<KeyControl>,
    /// Its lamps, in the order of the descriptor.
    pub lamps: Vec<LampControl>,
    /// Whether input reports begin with a report id.
    pub input_ids: bool,
    /// Bytes of each output report that has a lamp, without the report id.
    pub outputs: BTreeMap<u8, usize>,
    /// Bytes of the longest input report that has a key, with the report id.
    pub longest_input: usize,
}

impl Layout {
    /// Reads a report descriptor. What is not a telephone gives a layout without keys and lamps, no error.
    pub fn parse(descriptor: &[u8]) -> Result<Self, DescriptorError> {
        match descriptor.len() {
            0 => return Err(DescriptorError::Empty),
            len if len > MAX_DESCRIPTOR => return Err(DescriptorError::TooLong { len }),
            _ => {}
        }
        let mut parser = Parser::default();
        for item in items(descriptor) {
            parser.item(&item?)?;
        }
        parser.finish()
    }

    /// Whether this is a telephone's control: it has a hook switch, a mute key, or a lamp for the call state.
    pub fn is_telephone(&self) -> bool {
        self.has(Key::HookSwitch) || self.has(Key::PhoneMute) || self.shows(Lamp::OffHook)
    }

    /// Whether it has the key.
    pub fn has(&self, key: Key) -> bool {
        self.keys.iter().any(|control| control.key == key)
    }

    /// Whether it has the lamp.
    pub fn shows(&self, lamp: Lamp) -> bool {
        self.lamps.iter().any(|control| control.lamp == lamp)
    }
}

#[cfg(test)]
#[path = "descriptor_tests.rs"]
mod tests;
