//! What the device tells of itself: USB, USB audio 1.0 and HID descriptors.
//!
//! ```text
//! interface 0  audio control     USB ──► unit 2 (mute, volume) ──► loudspeaker
//!                                microphone ──► unit 5 (mute, volume) ──► USB
//! interface 1  loudspeaker       alternate setting 0: silent;  1: endpoint 0x01, isochronous, adaptive
//! interface 2  microphone        alternate setting 0: silent;  1: endpoint 0x82, isochronous, asynchronous
//! interface 3  buttons, lamps    endpoint 0x83, interrupt (number 2 on a device without a microphone)
//! ```
//! Full speed, one configuration; mono, 16 bits, 16 and 48 kHz.

/// Sampling rates, Hz.
pub const RATES: [u32; 2] = [16_000, 48_000];
/// The loudspeaker's endpoint.
pub const LOUDSPEAKER: u8 = 0x01;
/// The microphone's endpoint.
pub const MICROPHONE: u8 = 0x82;
/// The endpoint of the buttons.
pub const BUTTONS: u8 = 0x83;
/// The feature unit in front of the loudspeaker.
pub const LOUDSPEAKER_UNIT: u8 = 2;
/// The feature unit behind the microphone.
pub const MICROPHONE_UNIT: u8 = 5;
/// The longest isochronous packet, bytes: 1 ms at 48 kHz and one sample more, for a microphone whose clock is fast.
pub const MAX_PACKET: u16 = 98;

/// The report of the hook switch and the mute key.
pub const TELEPHONY_REPORT: u8 = 1;
/// The report of the volume keys.
pub const CONSUMER_REPORT: u8 = 2;
/// The report of the lamps, which the host writes.
pub const LAMP_REPORT: u8 = 3;

/// Who the device says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// idVendor
    pub vendor_id: u16,
    /// idProduct
    pub product_id: u16,
    /// iManufacturer
    pub vendor: String,
    /// iProduct: the card's name comes from it.
    pub product: String,
    /// iSerialNumber
    pub serial: String,
}

/// 1209:0001 is set aside for private tests (pid.codes).
impl Default for Identity {
    fn default() -> Self {
        Self {
            vendor_id: 0x1209,
            product_id: 0x0001,
            vendor: "Frontdesk".into(),
            product: "Virtual Speakerphone".into(),
            serial: "SIM0001".into(),
        }
    }
}

/// A device's kind: who it is and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Who it says that it is.
    pub identity: Identity,
    /// Whether it can hear. One that cannot is a loudspeaker with buttons.
    pub has_microphone: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self { identity: Identity::default(), has_microphone: true }
    }
}

/// What an interface is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Volume and mute.
    Control,
    /// Sound to the room.
    Loudspeaker,
    /// Sound from the room.
    Microphone,
    /// Buttons and lamps.
    Telephone,
}

impl Model {
    /// The interfaces in the order of their numbers.
    pub fn interfaces(&self) -> &'static [Role] {
        if self.has_microphone {
            &[Role::Control, Role::Loudspeaker, Role::Microphone, Role::Telephone]
        } else {
            &[Role::Control, Role::Loudspeaker, Role::Telephone]
        }
    }

    /// What the interface `number` is for.
    pub fn role(&self, number: u8) -> Option<Role> {
        self.interfaces().get(usize::from(number)).copied()
    }

    fn number(&self, role: Role) -> Option<u8> {
        self.interfaces().iter().position(|it| *it == role).map(|number| number as u8)
    }

    /// Class, subclass and protocol of each interface, as USB/IP lists them.
    pub fn classes(&self) -> impl Iterator<Item = [u8; 3]> {
        self.interfaces().iter().map(|role| match role {
            Role::Control => [1, 1, 0],
            Role::Loudspeaker | Role::Microphone => [1, 2, 0],
            Role::Telephone => [3, 0, 0],
        })
    }

    /// The device descriptor.
    pub fn device(&self) -> Vec<u8> {
        let mut out = vec![18, 1, 0x00, 0x02, 0, 0, 0, 64];
        out.extend(self.identity.vendor_id.to_le_bytes());
        out.extend(self.identity.product_id.to_le_bytes());
        out.extend([0x00, 0x01, 1, 2, 3, 1]);
        out
    }

    /// The configuration, with all interfaces.
    pub fn configuration(&self) -> Vec<u8> {
        let mut body = self.audio_control();
        if let Some(number) = self.number(Role::Loudspeaker) {
            body.extend(stream(number, 1, LOUDSPEAKER, 0x09));
        }
        if let Some(number) = self.number(Role::Microphone) {
            body.extend(stream(number, 6, MICROPHONE, 0x05));
        }
        if let Some(number) = self.number(Role::Telephone) {
            body.extend([9, 4, number, 0, 1, 3, 0, 0, 0]);
            body.extend(hid());
            body.extend([7, 5, BUTTONS, 3, 8, 0, 4]); // 8 bytes, every 4 ms
        }
        let mut out = vec![9, 2];
        out.extend((9 + body.len() as u16).to_le_bytes());
        out.extend([self.interfaces().len() as u8, 1, 0, 0x80, 50]); // powered by the bus, 100 mA
        out.extend(body);
        out
    }

    #[rustfmt::skip]
    fn audio_control(&self) -> Vec<u8> {
        let mut units: Vec<u8> = Vec::new();
        // The terminals of an echo-cancelling speakerphone (0x0405) name each other.
        let (loudspeaker_mate, microphone_mate) = if self.has_microphone { (4, 3) } else { (0, 0) };
        units.extend([12, 0x24, 2, 1, 0x01, 0x01, 0, 1, 0, 0, 0, 0]);
        units.extend([9, 0x24, 6, LOUDSPEAKER_UNIT, 1, 1, 0x03, 0x00, 0]);
        units.extend([9, 0x24, 3, 3, 0x05, 0x04, loudspeaker_mate, LOUDSPEAKER_UNIT, 0]);
        let mut streams = vec![1];
        if self.has_microphone {
            units.extend([12, 0x24, 2, 4, 0x05, 0x04, microphone_mate, 1, 0, 0, 0, 0]);
            units.extend([9, 0x24, 6, MICROPHONE_UNIT, 4, 1, 0x03, 0x00, 0]);
            units.extend([9, 0x24, 3, 6, 0x01, 0x01, 0, MICROPHONE_UNIT, 0]);
            streams.push(2);
        }
        let header = 8 + streams.len();
        let mut out = vec![9, 4, 0, 0, 0, 1, 1, 0, 0, header as u8, 0x24, 1, 0x00, 0x01];
        out.extend(((header + units.len()) as u16).to_le_bytes());
        out.push(streams.len() as u8);
        out.extend(streams);
        out.extend(units);
        out
    }

    /// The string descriptor `index`; 0 is the list of languages.
    pub fn string(&self, index: u8) -> Option<Vec<u8>> {
        let text = match index {
            0 => return Some(vec![4, 3, 0x09, 0x04]), // English
            1 => &self.identity.vendor,
            2 => &self.identity.product,
            3 => &self.identity.serial,
            _ => return None,
        };
        let mut out = vec![0, 3];
        // The length is one byte: 126 units at most.
        text.encode_utf16().take(126).for_each(|unit| out.extend(unit.to_le_bytes()));
        out[0] = out.len() as u8;
        Some(out)
    }
}

#[rustfmt::skip]
fn stream(interface: u8, terminal: u8, endpoint: u8, attributes: u8) -> Vec<u8> {
    let count = RATES.len() as u8;
    let mut out = vec![9, 4, interface, 0, 0, 1, 2, 0, 0];
    out.extend([9, 4, interface, 1, 1, 1, 2, 0, 0]);
    out.extend([7, 0x24, 1, terminal, 1, 1, 0]);                    // PCM, 1 ms of delay
    out.extend([8 + 3 * count, 0x24, 2, 1, 1, 2, 16, count]);       // mono, 2 bytes, 16 bits
    out.extend(RATES.iter().flat_map(|rate| rate.to_le_bytes().into_iter().take(3)));
    out.extend([9, 5, endpoint, attributes]);
    out.extend(MAX_PACKET.to_le_bytes());
    out.extend([1, 0, 0]);                                          // a packet every millisecond
    out.extend([7, 0x25, 1, 1, 0, 0, 0]);                           // the rate can be set
    out
}

/// The HID descriptor.
pub fn hid() -> [u8; 9] {
    let length = (REPORTS.len() as u16).to_le_bytes();
    [9, 0x21, 0x11, 0x01, 0, 1, 0x22, length[0], length[1]]
}

/// The report descriptor. A hook switch that tells its state and a mute key that tells presses: a speakerphone in Jabra's
/// manner.
#[rustfmt::skip]
pub const REPORTS: &[u8] = &[
    0x05, 0x0B, 0x09, 0x04, 0xA1, 0x01,             // telephony page, handset
    0x85, TELEPHONY_REPORT,
    0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01,
    0x09, 0x20, 0x81, 0x22,                         //   hook switch: absolute, no preferred state
    0x09, 0x2F, 0x81, 0x06,                         //   phone mute: relative
    0x95, 0x06, 0x81, 0x03,
    0x85, LAMP_REPORT, 0x05, 0x08, 0x95, 0x01,      //   lamps
    0x09, 0x17, 0x91, 0x22,                         //   off-hook
    0x09, 0x09, 0x91, 0x22,                         //   mute
    0x09, 0x18, 0x91, 0x22,                         //   ring
    0x95, 0x05, 0x91, 0x03,
    0xC0,
    0x05, 0x0C, 0x09, 0x01, 0xA1, 0x01,             // consumer control
    0x85, CONSUMER_REPORT, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x02,
    0x09, 0xE9, 0x09, 0xEA, 0x81, 0x02,             //   volume up and down
    0x95, 0x06, 0x81, 0x03,
    0xC0,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Every descriptor in `bytes`; fails when their lengths do not add up.
    fn walk(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while let Some(length) = bytes.first() {
            let (one, rest) = bytes.split_at(usize::from(*length));
            assert!(one.len() >= 2, "a descriptor without a type");
            found.push(one);
            bytes = rest;
        }
        found
    }

    #[test]
    fn lengths_and_counts_add_up_in_both_models() {
        for has_microphone in [true, false] {
            let model = Model { has_microphone, ..Model::default() };
            let bytes = model.configuration();
            let all = walk(&bytes);
            assert_eq!(usize::from(u16::from_le_bytes([bytes[2], bytes[3]])), bytes.len());
            let mut numbers: Vec<u8> = all.iter().filter(|it| it[1] == 4).map(|it| it[2]).collect();
            numbers.dedup();
            assert_eq!(numbers, (0..bytes[4]).collect::<Vec<_>>(), "numbered without gaps");
            assert_eq!(model.classes().count(), usize::from(bytes[4]));
            let header = all.iter().position(|it| it[1] == 0x24 && it[2] == 1).unwrap();
            let total = u16::from_le_bytes([all[header][5], all[header][6]]);
            let units: usize = all[header..].iter().take_while(|it| it[1] == 0x24).map(|it| it.len()).sum();
            assert_eq!(usize::from(total), units);
            let endpoints: Vec<u8> = all.iter().filter(|it| it[1] == 5).map(|it| it[2]).collect();
            let expected: &[u8] = if has_microphone { &[1, 0x82, 0x83] } else { &[1, 0x83] };
            assert_eq!(endpoints, expected);
        }
    }

    #[test]
    fn a_packet_holds_a_millisecond_of_every_rate_and_a_sample_more() {
        for rate in RATES {
            assert!((rate / 1000 + 1) * 2 <= u32::from(MAX_PACKET));
        }
    }

    #[test]
    fn strings_are_utf16_and_never_longer_than_their_length_byte_can_say() {
        let identity = Identity { product: "ö".repeat(300), serial: "A1".into(), ..Identity::default() };
        let model = Model { identity, ..Model::default() };
        assert_eq!(model.string(3).unwrap(), [6, 3, b'A', 0, b'1', 0]);
        let long = model.string(2).unwrap();
        assert_eq!((usize::from(long[0]), long.len()), (254, 254));
        assert_eq!(model.string(4), None);
    }
}
