//! The items of a report descriptor, one after the other (Device Class Definition for HID 1.11, 6.2.2).

use super::descriptor::DescriptorError;

/// One item: a tag and up to four bytes of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    /// Where it begins in the descriptor.
    pub(super) at: usize,
    /// Tag and type, the two bits of the size masked out.
    pub(super) tag: u8,
    /// How many bytes of data it has.
    pub(super) len: usize,
    data: [u8; 4],
}

impl Item {
    pub(super) fn unsigned(&self) -> u32 {
        u32::from_le_bytes(self.data)
    }

    /// The data as two's complement of its own width.
    pub(super) fn signed(&self) -> i32 {
        match self.len {
            0 => 0,
            1 => i32::from(self.data[0] as i8),
            2 => i32::from(i16::from_le_bytes([self.data[0], self.data[1]])),
            _ => i32::from_le_bytes(self.data),
        }
    }
}

/// Prefix of a long item: none is defined, all are skipped.
const LONG: u8 = 0xFE;

/// Reads the descriptor from its start; ends after the first error.
pub(super) fn items(descriptor: &[u8]) -> impl Iterator<Item = Result<Item, DescriptorError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = descriptor.get(at..).filter(|rest| !rest.is_empty())?;
            let start = at;
            if rest[0] == LONG {
                at = start.saturating_add(3).saturating_add(usize::from(rest.get(1).copied().unwrap_or(0)));
                if at <= descriptor.len() {
                    continue;
                }
            } else if let Some(item) = short(start, rest) {
                at += 1 + item.len;
                return Some(Ok(item));
            }
            at = descriptor.len();
            return Some(Err(DescriptorError::Truncated { at: start }));
        }
    })
}

fn short(at: usize, rest: &[u8]) -> Option<Item> {
    // Three stands for four.
    let len = [0, 1, 2, 4][usize::from(rest[0] & 3)];
    let mut data = [0; 4];
    data[..len].copy_from_slice(rest.get(1..=len)?);
    Some(Item { at, tag: rest[0] & !3, len, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_at_its_own_width() {
        let read: Vec<_> =
            items(&[0x15, 0xFF, 0x26, 0xFF, 0x00, 0xC0, 0x17, 0, 0, 0, 0x80]).map(Result::unwrap).collect();
        let seen: Vec<_> = read.iter().map(|item| (item.at, item.tag, item.signed(), item.unsigned())).collect();
        assert_eq!(seen, [(0, 0x14, -1, 255), (2, 0x24, 255, 255), (5, 0xC0, 0, 0), (6, 0x14, i32::MIN, 0x8000_0000)]);
    }

    #[test]
    fn long_items_are_skipped() {
        let read: Vec<_> = items(&[0xFE, 2, 0x10, 1, 2, 0x05, 0x0B]).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].as_ref().unwrap().at, 5);
    }

    #[test]
    fn an_item_that_is_cut_off_is_told_once() {
        for cut in [&[0x26u8, 1][..], &[0xFE], &[0xFE, 3], &[0xFE, 3, 0, 1, 2], &[0x27, 0, 0, 0]] {
            let read: Vec<_> = items(cut).collect();
            assert_eq!(read, [Err(DescriptorError::Truncated { at: 0 })], "{cut:x?}");
        }
    }
}
