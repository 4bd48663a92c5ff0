//! The device behind its descriptors: what it answers to control requests, and what it then is.

use crate::Time;
use crate::descriptors::{
    self, LAMP_REPORT, LOUDSPEAKER, LOUDSPEAKER_UNIT, MICROPHONE, MICROPHONE_UNIT, Model, RATES, Role,
};
use crate::events::{Event, Events};
use crate::sound::{Level, Side};
use crate::telephone::Telephone;
use crate::wire::Setup;

/// The quietest volume, 1/256 dB.
const QUIETEST: i16 = -60 * 256;
/// The loudest.
const LOUDEST: i16 = 0;
/// A step.
const STEP: i16 = 256;

/// The device does not know the request, or not with these values: the endpoint stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall;

/// What goes wrong because a test wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// So many of the next requests to units, endpoints and the HID are refused.
    pub stall: u32,
    /// So many of the next packets of the microphone carry half of their samples; the other half is lost.
    pub short: u32,
    /// So many of the next packets of the microphone are lost on the bus.
    pub lost: u32,
    /// Streams whose transfers are never over: the endpoint is stuck.
    pub stuck: [bool; 2],
}

/// One stream, as the host has set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Alternate setting 1.
    pub active: bool,
    /// Samples a second.
    pub rate: u32,
    /// Volume and mute.
    pub level: Level,
}

const IDLE: Setting = Setting { active: false, rate: 48_000, level: Level { muted: false, volume: 0 } };

/// A device with power.
#[derive(Debug)]
pub struct Device {
    /// What it is.
    pub model: Model,
    /// Its buttons and lamps.
    pub telephone: Telephone,
    /// What is to go wrong. Outlives unplugging.
    pub faults: Faults,
    /// What happened. Outlives unplugging.
    pub events: Events,
    settings: [Setting; 2],
    configuration: u8,
}

/// What the host changed about a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarted(pub Side);

impl Device {
    /// One that was never used.
    pub fn new(model: Model) -> Self {
        Self {
            model,
            telephone: Telephone::default(),
            faults: Faults::default(),
            events: Events::default(),
            settings: [IDLE; 2],
            configuration: 0,
        }
    }

    /// As it comes out of its box: lamps off, volume at its loudest, nothing streams.
    pub fn power_on(&mut self) {
        self.telephone = Telephone::default();
        self.settings = [IDLE; 2];
        self.configuration = 0;
    }

    /// Whether a host has found it and chosen its configuration.
    pub fn is_configured(&self) -> bool {
        self.configuration == 1
    }

    /// How one of its streams is set.
    pub fn setting(&self, side: Side) -> Setting {
        self.settings[side as usize]
    }

    /// Answers a control request; `sent` is what the host sends with it. The stream that it restarts is told too.
    pub fn control(&mut self, now: Time, setup: Setup, sent: &[u8]) -> Result<(Vec<u8>, Option<Restarted>), Stall> {
        let done = |()| (Vec::new(), None);
        let data = |it: Vec<u8>| (it, None);
        if setup.kind & 0x60 == 0x20 && self.faults.stall > 0 {
            self.faults.stall -= 1;
            self.events.note(now, Event::Refused);
            return Err(Stall);
        }
        match (setup.kind, setup.request) {
            (0x80, 0x06) => self.describe(setup.value).map(data),
            (0x81, 0x06) => self.describe_hid(setup).map(data),
            (0x80..=0x82, 0x00) => Ok(data(vec![0, 0])), // status: nothing is halted, the bus gives the power
            (0x80, 0x08) => Ok(data(vec![self.configuration])),
            (0x00, 0x09) => self.configure(setup.value).map(done),
            (0x00 | 0x02, 0x01 | 0x03) => Ok(done(())), // features
            (0x01, 0x0B) => self.set_interface(now, setup).map(|restarted| (Vec::new(), restarted)),
            (0x81, 0x0A) => self.interface(setup.index as u8).map(data),
            (0x21 | 0xA1, _) => self.class_interface(now, setup, sent).map(data),
            (0x22, 0x01) => self.set_rate(setup, sent).map(done),
            (0xA2, 0x81) => self.stream_of(setup).map(|side| data(self.setting(side).rate.to_le_bytes()[..3].to_vec())),
            _ => Err(Stall),
        }
    }

    fn describe(&self, value: u16) -> Result<Vec<u8>, Stall> {
        match value.to_be_bytes() {
            [1, 0] => Ok(self.model.device()),
            [2, 0] => Ok(self.model.configuration()),
            [3, index] => self.model.string(index).ok_or(Stall),
            _ => Err(Stall),
        }
    }

    fn describe_hid(&self, setup: Setup) -> Result<Vec<u8>, Stall> {
        if self.model.role(setup.index as u8) != Some(Role::Telephone) {
            return Err(Stall);
        }
        match setup.value >> 8 {
            0x21 => Ok(descriptors::hid().to_vec()),
            0x22 => Ok(descriptors::REPORTS.to_vec()),
            _ => Err(Stall),
        }
    }

    fn configure(&mut self, value: u16) -> Result<(), Stall> {
        match value {
            0 | 1 => {
                self.configuration = value as u8;
                self.settings.iter_mut().for_each(|it| it.active = false);
                Ok(())
            }
            _ => Err(Stall),
        }
    }

    fn side(&self, interface: u8) -> Option<Side> {
        match self.model.role(interface)? {
            Role::Loudspeaker => Some(Side::Loudspeaker),
            Role::Microphone => Some(Side::Microphone),
            Role::Control | Role::Telephone => None,
        }
    }

    fn set_interface(&mut self, now: Time, setup: Setup) -> Result<Option<Restarted>, Stall> {
        let interface = setup.index as u8;
        match (self.side(interface), setup.value) {
            (Some(side), 0 | 1) => {
                let setting = &mut self.settings[side as usize];
                let was = setting.active;
                setting.active = setup.value == 1;
                if was != setting.active {
                    let rate = setting.active.then_some(setting.rate);
                    self.events.note(now, Event::Stream(side, rate));
                }
                Ok(Some(Restarted(side)))
            }
            (None, 0) if self.model.role(interface).is_some() => Ok(None),
            _ => Err(Stall),
        }
    }

    fn interface(&self, number: u8) -> Result<Vec<u8>, Stall> {
        let role = self.model.role(number).ok_or(Stall)?;
        let active = match role {
            Role::Loudspeaker => self.setting(Side::Loudspeaker).active,
            Role::Microphone => self.setting(Side::Microphone).active,
            Role::Control | Role::Telephone => false,
        };
        Ok(vec![u8::from(active)])
    }

    fn class_interface(&mut self, now: Time, setup: Setup, sent: &[u8]) -> Result<Vec<u8>, Stall> {
        match self.model.role(setup.index as u8) {
            Some(Role::Control) => self.unit(now, setup, sent),
            Some(Role::Telephone) => self.hid(now, setup, sent),
            _ => Err(Stall),
        }
    }

    /// The feature units: mute is selector 1, volume 2, of the master channel.
    fn unit(&mut self, now: Time, setup: Setup, sent: &[u8]) -> Result<Vec<u8>, Stall> {
        let side = match (setup.index >> 8) as u8 {
            LOUDSPEAKER_UNIT => Side::Loudspeaker,
            MICROPHONE_UNIT if self.model.has_microphone => Side::Microphone,
            _ => return Err(Stall),
        };
        let level = &mut self.settings[side as usize].level;
        let volume = |it: i16| Ok(it.to_le_bytes().to_vec());
        match (setup.kind, setup.request, setup.value, sent) {
            (0x21, 0x01, 0x0100, [muted]) => level.muted = *muted != 0,
            (0x21, 0x01, 0x0200, [low, high]) => {
                level.volume = i16::from_le_bytes([*low, *high]).clamp(QUIETEST, LOUDEST);
            }
            (0xA1, 0x81, 0x0100, _) => return Ok(vec![u8::from(level.muted)]),
            (0xA1, 0x81, 0x0200, _) => return volume(level.volume),
            (0xA1, 0x82, 0x0200, _) => return volume(QUIETEST),
            (0xA1, 0x83, 0x0200, _) => return volume(LOUDEST),
            (0xA1, 0x84, 0x0200, _) => return volume(STEP),
            _ => return Err(Stall),
        }
        let Level { volume, muted } = *level;
        self.events.note(now, Event::Level(side, volume, muted));
        Ok(vec![])
    }

    fn hid(&mut self, now: Time, setup: Setup, sent: &[u8]) -> Result<Vec<u8>, Stall> {
        let [kind, id] = setup.value.to_be_bytes();
        match (setup.kind, setup.request, kind, sent) {
            (0x21, 0x0A | 0x0B, _, _) => Ok(vec![]), // idle rate, protocol
            (0x21, 0x09, 2, [LAMP_REPORT, bits, ..]) if id == LAMP_REPORT => {
                self.telephone.write_lamps(now, *bits, &mut self.events);
                Ok(vec![])
            }
            (0xA1, 0x01, 1, _) => self.telephone.current(id).ok_or(Stall),
            (0xA1, 0x01, 2, _) if id == LAMP_REPORT => Ok(vec![id, self.telephone.lamp_bits()]),
            _ => Err(Stall),
        }
    }

    fn stream_of(&self, setup: Setup) -> Result<Side, Stall> {
        match setup.index as u8 {
            _ if setup.value != 0x0100 => Err(Stall), // sampling frequency is the only one
            LOUDSPEAKER => Ok(Side::Loudspeaker),
            MICROPHONE if self.model.has_microphone => Ok(Side::Microphone),
            _ => Err(Stall),
        }
    }

    fn set_rate(&mut self, setup: Setup, sent: &[u8]) -> Result<(), Stall> {
        let side = self.stream_of(setup)?;
        let &[low, middle, high] = sent else { return Err(Stall) };
        let rate = u32::from_le_bytes([low, middle, high, 0]);
        if !RATES.contains(&rate) {
            return Err(Stall);
        }
        self.settings[side as usize].rate = rate;
        Ok(())
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
