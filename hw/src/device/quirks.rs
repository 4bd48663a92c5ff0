//! What is known about speakerphones, by USB vendor and product.
//!
//! Only what has a source: an entry that is wrong is worse than none, because an unknown device gets settings that are safe
//! with any. Vendors announce full-duplex echo cancellation for every model below; a second canceller behind the device's
//! own hurts double talk, so they run with [`EchoMode::Device`]. The self-test measures whether that holds.

use crate::knobs::EchoMode;
use crate::pcm::port::Direction;

/// What is known about one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quirk {
    /// What people call it.
    pub name: &'static str,
    /// Who keeps the loudspeaker out of the microphone.
    pub echo: EchoMode,
    /// Rates that it announces and does not keep, by direction.
    pub avoid: &'static [(Direction, u32)],
    /// Where its playout level is put once, as a share of its range. The device's own curve is unknown, and what is louder
    /// or quieter is ours to do in software.
    pub playout_level: f32,
    /// Where its capture level is put once.
    pub capture_level: f32,
}

/// A device that nobody has described: our own echo canceller, every rate as announced.
pub const UNKNOWN: Quirk =
    Quirk { name: "", echo: EchoMode::Software, avoid: &[], playout_level: 0.75, capture_level: 0.75 };

/// Which products of a vendor.
enum Products {
    /// This one.
    One(u16),
    /// Whose product string holds this word: vendors give one model several numbers, by variant and firmware.
    Named(&'static str),
}

struct Entry {
    vendor: u16,
    products: Products,
    quirk: Quirk,
}

const KNOWN: Quirk = Quirk { echo: EchoMode::Device, ..UNKNOWN };

/// Jabra's 16 kHz playout plays too fast (reported for the Speak 510 to alexylem/jarvis #65 and #787,
/// synesthesiam/rhasspy #119, wzpan/dingdang-robot #114); 48 kHz cures it.
const JABRA: Quirk = Quirk { avoid: &[(Direction::Playout, 16_000)], ..KNOWN };

/// Vendor numbers as in the public list of USB ids.
const GN: u16 = 0x0B0E;
const PLANTRONICS: u16 = 0x047F;
const POLYCOM: u16 = 0x095D;
const ANKER: u16 = 0x291A;
const YEALINK: u16 = 0x6993;

/// The first that fits counts.
const TABLE: &[Entry] = &[
    entry(GN, Products::One(0x0422), Quirk { name: "Jabra Speak 510", ..JABRA }),
    entry(GN, Products::Named("SPEAK 410"), Quirk { name: "Jabra Speak 410", ..JABRA }),
    entry(GN, Products::Named("SPEAK 510"), Quirk { name: "Jabra Speak 510", ..JABRA }),
    entry(GN, Products::Named("SPEAK 710"), Quirk { name: "Jabra Speak 710", ..JABRA }),
    entry(GN, Products::Named("SPEAK 750"), Quirk { name: "Jabra Speak 750", ..JABRA }),
    entry(GN, Products::Named("SPEAK2 40"), Quirk { name: "Jabra Speak2 40", ..KNOWN }),
    entry(GN, Products::Named("SPEAK2 55"), Quirk { name: "Jabra Speak2 55", ..KNOWN }),
    entry(GN, Products::Named("SPEAK2 75"), Quirk { name: "Jabra Speak2 75", ..KNOWN }),
    entry(PLANTRONICS, Products::Named("SYNC 10"), Quirk { name: "Poly Sync 10", ..KNOWN }),
    entry(PLANTRONICS, Products::Named("SYNC 20"), Quirk { name: "Poly Sync 20", ..KNOWN }),
    entry(PLANTRONICS, Products::Named("SYNC 40"), Quirk { name: "Poly Sync 40", ..KNOWN }),
    entry(PLANTRONICS, Products::Named("SYNC 60"), Quirk { name: "Poly Sync 60", ..KNOWN }),
    entry(POLYCOM, Products::Named("SYNC"), Quirk { name: "Poly Sync", ..KNOWN }),
    entry(ANKER, Products::Named("POWERCONF"), Quirk { name: "Anker PowerConf", ..KNOWN }),
    entry(YEALINK, Products::Named("CP900"), Quirk { name: "Yealink CP900", ..KNOWN }),
    entry(YEALINK, Products::Named("SP92"), Quirk { name: "Yealink SP92", ..KNOWN }),
];

/// eMeet has no vendor number of its own that could be relied on: by the product string alone.
const BY_NAME: &[(&str, Quirk)] = &[
    ("EMEET LUNA", Quirk { name: "eMeet Luna", ..KNOWN }),
    ("EMEET OFFICECORE", Quirk { name: "eMeet OfficeCore", ..KNOWN }),
    ("EMEET M2", Quirk { name: "eMeet M2", ..KNOWN }),
];

const fn entry(vendor: u16, products: Products, quirk: Quirk) -> Entry {
    Entry { vendor, products, quirk }
}

/// What is known about the device with these numbers and this product string.
pub fn known(vid: u16, pid: u16, product: &str) -> Option<Quirk> {
    let product = product.to_ascii_uppercase();
    let fits = |entry: &&Entry| match entry.products {
        Products::One(its) => its == pid,
        Products::Named(word) => product.contains(word),
    };
    let by_number = TABLE.iter().filter(|entry| entry.vendor == vid).find(fits).map(|entry| entry.quirk);
    by_number.or_else(|| BY_NAME.iter().find(|(name, _)| product.contains(name)).map(|(_, quirk)| *quirk))
}

impl Quirk {
    /// The rates of one direction that are not to be used.
    pub fn avoided(&self, direction: Direction) -> impl Iterator<Item = u32> {
        self.avoid.iter().filter(move |(its, _)| *its == direction).map(|(_, rate)| *rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speak_510_is_known_by_its_number_and_its_siblings_by_name() {
        let quirk = known(0x0B0E, 0x0422, "anything").unwrap();
        assert_eq!((quirk.name, quirk.echo), ("Jabra Speak 510", EchoMode::Device));
        assert_eq!(quirk.avoided(Direction::Playout).collect::<Vec<_>>(), [16_000]);
        assert_eq!(quirk.avoided(Direction::Capture).count(), 0, "16 kHz is all that its microphone does");
        assert_eq!(known(0x0B0E, 0x24B0, "Jabra SPEAK2 75").unwrap().name, "Jabra Speak2 75");
        assert_eq!(known(0x1234, 0x0001, "EMEET Luna").unwrap().name, "eMeet Luna");
    }

    #[test]
    fn a_headset_of_a_known_vendor_is_not_taken_for_a_speakerphone() {
        assert_eq!(known(0x0B0E, 0x0305, "Jabra EVOLVE 65"), None);
        assert_eq!(known(0x0422, 0x0B0E, "swapped"), None);
    }
}
