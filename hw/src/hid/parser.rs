//! The items of a report descriptor into a [`Layout`]: the state that globals, locals and collections make.

use super::descriptor::{DescriptorError, Key, KeyControl, Kind, Lamp, LampControl, Layout, MAX_REPORT, Place};
use super::items::Item;
use std::collections::BTreeMap;

/// Bits of the largest field.
pub(super) const MAX_SIZE: u32 = 256;
/// Fields of one main item: `HID_MAX_USAGES`.
pub(super) const MAX_COUNT: u32 = 12_288;
/// Saved sets of globals: deeper than any device (Linux: 4), and a bound.
pub(super) const MAX_PUSHES: usize = 16;
/// Collections within collections: likewise.
pub(super) const MAX_DEPTH: usize = 64;

/// HID Usage Tables 1.5: page and usage.
const KEYS: [(u32, Key); 8] = [
    (0x0B_0020, Key::HookSwitch),
    (0x0B_002F, Key::PhoneMute),
    (0x0B_0021, Key::Flash),
    (0x0B_0024, Key::Redial),
    (0x0B_0026, Key::Drop),
    (0x0B_0097, Key::LineBusy),
    (0x0C_00E9, Key::VolumeUp),
    (0x0C_00EA, Key::VolumeDown),
];
const LAMPS: [(u32, Lamp); 7] = [
    (0x08_0017, Lamp::OffHook),
    (0x08_0009, Lamp::Mute),
    (0x08_0018, Lamp::Ring),
    (0x08_0020, Lamp::Hold),
    (0x08_0021, Lamp::Microphone),
    (0x08_002A, Lamp::Online),
    (0x0B_009E, Lamp::Ringer),
];

#[derive(Debug, Clone, Copy, Default)]
struct Globals {
    page: u32,
    minimum: i32,
    /// As it was written: whether it is signed depends on the minimum, which may follow.
    maximum: (u32, i32),
    size: u32,
    count: u32,
    report: u8,
}

impl Globals {
    fn maximum(&self) -> i64 {
        if self.minimum < 0 { i64::from(self.maximum.1) } else { i64::from(self.maximum.0) }
    }
}

/// Usages `first` to `last`; with their page in the upper half when it was given with them.
#[derive(Debug, Clone, Copy)]
struct Usages {
    first: u32,
    last: u32,
    with_page: bool,
}

impl Usages {
    /// Which of them `usage` is.
    fn index(&self, usage: u32, page: u32) -> Option<u32> {
        let base = if self.with_page { 0 } else { page << 16 };
        usage.checked_sub(base + self.first).filter(|index| *index <= self.last - self.first)
    }
}

#[derive(Debug, Default)]
struct Locals {
    usages: Vec<Usages>,
    minimum: Option<(u32, bool)>,
    /// Within a delimiter only the first of several usages counts: it is the preferred one.
    delimited: Option<usize>,
}

impl Locals {
    /// Which field of a main item, or entry of an array, `usage` stands for.
    fn index(&self, usage: u32, page: u32) -> Option<u32> {
        let mut before = 0u32;
        for usages in &self.usages {
            if let Some(index) = usages.index(usage, page) {
                return before.checked_add(index);
            }
            before = before.checked_add(usages.last - usages.first)?.checked_add(1)?;
        }
        None
    }

    fn add(&mut self, first: u32, last: u32, with_page: bool) {
        if let Some(seen) = &mut self.delimited {
            *seen += 1;
            if *seen > 1 {
                return;
            }
        }
        if first <= last {
            self.usages.push(Usages { first, last, with_page });
        }
    }
}

/// The reports of one direction: bits of each so far.
#[derive(Debug, Default)]
struct Reports {
    bits: BTreeMap<u8, u32>,
}

impl Reports {
    /// Whether the reports begin with an id.
    fn have_ids(&self) -> bool {
        self.bits.keys().any(|id| *id != 0)
    }

    fn bytes(&self, id: u8) -> usize {
        self.bits.get(&id).map_or(0, |bits| bits.div_ceil(8) as usize)
    }
}

#[derive(Debug, Default)]
pub(super) struct Parser {
    globals: Globals,
    pushed: Vec<Globals>,
    locals: Locals,
    depth: usize,
    inputs: Reports,
    outputs: Reports,
    layout: Layout,
}

/// Flags of a main item.
const CONSTANT: u32 = 1 << 0;
const VARIABLE: u32 = 1 << 1;
const RELATIVE: u32 = 1 << 2;
const NO_PREFERRED: u32 = 1 << 5;

impl Parser {
    pub(super) fn item(&mut self, item: &Item) -> Result<(), DescriptorError> {
        match item.tag & 0x0C {
            0x00 => {
                let done = self.main(item);
                self.locals = Locals::default();
                done
            }
            0x04 => self.global(item),
            0x08 => {
                self.local(item);
                Ok(())
            }
            // Reserved.
            _ => Ok(()),
        }
    }

    fn global(&mut self, item: &Item) -> Result<(), DescriptorError> {
        let at = item.at;
        match item.tag {
            0x04 => self.globals.page = item.unsigned() & 0xFFFF,
            0x14 => self.globals.minimum = item.signed(),
            0x24 => self.globals.maximum = (item.unsigned(), item.signed()),
            0x74 => self.globals.size = item.unsigned(),
            0x84 => {
                let id = item.unsigned();
                let valid = u8::try_from(id).ok().filter(|id| *id != 0);
                self.globals.report = valid.ok_or(DescriptorError::ReportId { at, id })?;
            }
            0x94 => self.globals.count = item.unsigned(),
            0xA4 if self.pushed.len() < MAX_PUSHES => self.pushed.push(self.globals),
            0xA4 => return Err(DescriptorError::Unbalanced { at }),
            0xB4 => self.globals = self.pushed.pop().ok_or(DescriptorError::Unbalanced { at })?,
            // Physical range and units.
            _ => {}
        }
        Ok(())
    }

    fn local(&mut self, item: &Item) {
        let (value, with_page) = (item.unsigned(), item.len == 4);
        match item.tag {
            0x08 => self.locals.add(value, value, with_page),
            0x18 => self.locals.minimum = Some((value, with_page)),
            0x28 => {
                // A range within one page; anything else names no usage at all.
                if let Some((first, paged)) = self.locals.minimum.take()
                    && (!paged || !with_page || first >> 16 == value >> 16)
                {
                    let last = if paged && !with_page { first & !0xFFFF | value } else { value };
                    let first = if with_page && !paged { value & !0xFFFF | first } else { first };
                    self.locals.add(first, last, paged || with_page);
                }
            }
            0xA8 => self.locals.delimited = (value == 1).then_some(0),
            // Designators and strings.
            _ => {}
        }
    }

    fn main(&mut self, item: &Item) -> Result<(), DescriptorError> {
        let at = item.at;
        match item.tag {
            0xA0 if self.depth < MAX_DEPTH => self.depth += 1,
            0xA0 => return Err(DescriptorError::TooDeep { at }),
            0xC0 => self.depth = self.depth.checked_sub(1).ok_or(DescriptorError::NotOpen { at })?,
            0x80 => self.fields(item, true)?,
            0x90 => self.fields(item, false)?,
            // Features, and what is reserved.
            _ => {}
        }
        Ok(())
    }

    /// An input or output item: its controls, and the room it takes in its report.
    fn fields(&mut self, item: &Item, input: bool) -> Result<(), DescriptorError> {
        let Globals { size, count, report: id, .. } = self.globals;
        if size > MAX_SIZE || count > MAX_COUNT {
            return Err(DescriptorError::FieldSize { at: item.at, size, count });
        }
        let reports = if input { &mut self.inputs } else { &mut self.outputs };
        let bits = reports.bits.entry(id).or_default();
        let offset = *bits;
        *bits += size * count;
        if *bits > (MAX_REPORT * 8) as u32 {
            return Err(DescriptorError::ReportSize { at: item.at, id });
        }
        if item.unsigned() & CONSTANT != 0 || count == 0 || !(1..=32).contains(&size) {
            return Ok(());
        }
        if input {
            for (usage, key) in KEYS {
                if let Some((place, kind)) = self.find(usage, item.unsigned(), offset) {
                    self.layout.keys.push(KeyControl { key, kind, report: id, place });
                }
            }
        } else {
            for (usage, lamp) in LAMPS {
                if let Some((place, _)) = self.find(usage, item.unsigned(), offset) {
                    self.layout.lamps.push(LampControl { lamp, report: id, place });
                }
            }
        }
        Ok(())
    }

    /// The place of one usage among the fields that begin at `offset`.
    fn find(&self, usage: u32, flags: u32, offset: u32) -> Option<(Place, Kind)> {
        let Globals { page, size, count, minimum, .. } = self.globals;
        let index = self.locals.index(usage, page)?;
        let maximum = self.globals.maximum();
        if flags & VARIABLE != 0 {
            // Usages beyond the fields stand for nothing; fields beyond the usages repeat the last one, whose first counts.
            let place = Place::Field { offset: offset + index * size, size, signed: minimum < 0 };
            return (index < count).then_some((place, kind(flags, minimum)));
        }
        let fits = |value: i64| u32::try_from(value).ok().filter(|value| size == 32 || value >> size == 0);
        let index = i64::from(minimum) + i64::from(index);
        // What is out of range stands for nothing (6.2.2.5); zero where that will do.
        let none = if minimum > 0 { Some(0) } else { fits(maximum + 1) }?;
        let index = fits(index).filter(|_| index <= maximum && minimum >= 0)?;
        // An array names what is pressed, whatever the flags say of a preferred state.
        let kind = if flags & RELATIVE != 0 { Kind::Toggle } else { Kind::Momentary };
        Some((Place::Slots { offset, size, count, index, none }, kind))
    }

    pub(super) fn finish(self) -> Result<Layout, DescriptorError> {
        if self.depth > 0 {
            return Err(DescriptorError::Unclosed { open: self.depth });
        }
        let Self { mut layout, inputs, outputs, .. } = self;
        layout.input_ids = inputs.have_ids();
        // Where there are ids, a report without one cannot be told from the others.
        layout.keys.retain(|key| (key.report != 0) == inputs.have_ids());
        layout.lamps.retain(|lamp| (lamp.report != 0) == outputs.have_ids());
        layout.outputs = layout.lamps.iter().map(|lamp| (lamp.report, outputs.bytes(lamp.report))).collect();
        let id = usize::from(layout.input_ids);
        layout.longest_input = layout.keys.iter().map(|key| id + inputs.bytes(key.report)).max().unwrap_or(0);
        Ok(layout)
    }
}

fn kind(flags: u32, minimum: i32) -> Kind {
    match (flags & RELATIVE != 0, flags & NO_PREFERRED != 0) {
        (true, _) if minimum < 0 => Kind::TwoWay,
        (true, _) => Kind::Toggle,
        (false, true) => Kind::Switch,
        (false, false) => Kind::Momentary,
    }
}
