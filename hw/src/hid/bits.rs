//! Bit fields of reports: little endian, from the lowest bit of the first byte on.

use super::descriptor::Place;

/// Reads `size` bits (32 at most) from bit `offset`; `None` when the report is too short for them.
fn get(report: &[u8], offset: u32, size: u32) -> Option<u32> {
    let first = (offset / 8) as usize;
    let last = ((offset + size - 1) / 8) as usize;
    // Five bytes at most.
    let value = report.get(first..=last)?.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let mask = (1u64 << size) - 1;
    Some((value >> (offset % 8) & mask) as u32)
}

/// Writes the lowest `size` bits (32 at most) of `value` at bit `offset`. The report is long enough: its length and the
/// offset come from one descriptor.
fn put(report: &mut [u8], offset: u32, size: u32, value: u32) {
    for bit in 0..size {
        let at = offset + bit;
        let mask = 1 << (at % 8);
        if let Some(byte) = report.get_mut((at / 8) as usize) {
            *byte = if value >> bit & 1 == 1 { *byte | mask } else { *byte & !mask };
        }
    }
}

impl Place {
    /// What stands there: a field's value; for an array 1 when one of its slots names it. `None` when the report is too
    /// short.
    pub fn read(&self, report: &[u8]) -> Option<i64> {
        match *self {
            Self::Field { offset, size, signed } => {
                let value = i64::from(get(report, offset, size)?);
                let negative = signed && value >> (size - 1) & 1 == 1;
                Some(if negative { value - (1 << size) } else { value })
            }
            Self::Slots { offset, size, count, index, .. } => {
                // The last slot first: a report that lacks it is too short.
                let mut slots = (0..count).rev().map(|slot| get(report, offset + slot * size, size));
                slots.try_fold(0, |found, slot| Some(if slot? == index { 1 } else { found }))
            }
        }
    }

    /// Makes room for [`light`](Self::light): a field off, an array with nothing in it.
    pub fn clear(&self, report: &mut [u8]) {
        match *self {
            Self::Field { offset, size, .. } => put(report, offset, size, 0),
            Self::Slots { offset, size, count, none, .. } => {
                (0..count).for_each(|slot| put(report, offset + slot * size, size, none));
            }
        }
    }

    /// Switches it on, in an array in the first free slot; an array that is full stays as it is.
    pub fn light(&self, report: &mut [u8]) {
        match *self {
            Self::Field { offset, size, .. } => put(report, offset, size, 1),
            Self::Slots { offset, size, count, index, none } => {
                let free = (0..count).find(|slot| get(report, offset + slot * size, size) == Some(none));
                if let Some(slot) = free {
                    put(report, offset + slot * size, size, index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_is_got_and_nothing_else_changes(
            bytes in prop::collection::vec(any::<u8>(), 12),
            offset in 0u32..60,
            size in 1u32..=32,
            value: u32,
        ) {
            let mut report = bytes.clone();
            put(&mut report, offset, size, value);
            prop_assert_eq!(get(&report, offset, size), Some((u64::from(value) & ((1 << size) - 1)) as u32));
            for bit in (0..96).filter(|bit| !(offset..offset + size).contains(bit)) {
                prop_assert_eq!(get(&report, bit, 1), get(&bytes, bit, 1));
            }
        }

        #[test]
        fn a_report_is_too_short_exactly_when_a_bit_is_missing(len in 0usize..12, offset in 0u32..90, size in 1u32..=32) {
            let enough = (offset + size).div_ceil(8) as usize <= len;
            prop_assert_eq!(get(&vec![0; len], offset, size).is_some(), enough);
        }
    }

    #[test]
    fn a_field_is_signed_when_its_range_is() {
        let place = Place::Field { offset: 2, size: 2, signed: true };
        assert_eq!(place.read(&[0b0000_0100]), Some(1));
        assert_eq!(place.read(&[0b0000_1100]), Some(-1));
        assert_eq!(Place::Field { offset: 0, size: 32, signed: true }.read(&[0xFF; 4]), Some(-1));
    }

    #[test]
    fn an_array_names_what_is_on() {
        let one = Place::Slots { offset: 8, size: 8, count: 2, index: 5, none: 0 };
        let two = Place::Slots { offset: 8, size: 8, count: 2, index: 6, none: 0 };
        let three = Place::Slots { offset: 8, size: 8, count: 2, index: 7, none: 0 };
        let mut report = [9; 3];
        one.clear(&mut report);
        two.light(&mut report);
        one.light(&mut report);
        three.light(&mut report);
        assert_eq!(report, [9, 6, 5]);
        assert_eq!([one, two, three].map(|place| place.read(&report)), [Some(1), Some(1), Some(0)]);
        assert_eq!(one.read(&report[..2]), None);
    }
}
