//! Texts that go into headers, calendar files and pages: one line, without anything that steers a reader's program.

/// `text` as one line of at most `most` characters: whatever is invisible and not needed for writing (control and format
/// characters, line and paragraph separators) counts as a space, and spaces are collapsed.
///
/// The joiners that emoji and many scripts are written with stay.
pub fn line(text: &str, most: usize) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || is_invisible(c)).filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        cleaned.push_str(word);
    }
    if let Some((cut, _)) = cleaned.char_indices().nth(most) {
        cleaned.truncate(cut);
        cleaned.truncate(cleaned.trim_end().len());
    }
    cleaned
}

/// Unicode 17's categories Cc and Cf without the joiners U+200C and U+200D. Zl and Zp are white space.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_keeps_its_letters_and_loses_what_steers() {
        for (text, cleaned) in [
            ("Ana\r\nBcc: x@example.org", "Ana Bcc: x@example.org"),
            ("  Ana \u{2028} \t Pérez\0", "Ana Pérez"),
            ("\u{202e}zereP anA\u{202c}", "zereP anA"),
            ("👩\u{200d}⚕️ Ana", "👩\u{200d}⚕️ Ana"),
            ("مريم", "مريم"),
            ("\u{feff}\u{200b}", ""),
        ] {
            assert_eq!(line(text, 80), cleaned, "{text:?}");
        }
        assert_eq!(line(&"ä ".repeat(300), 5), "ä ä ä");
    }

    proptest! {
        #[test]
        fn every_text_becomes_one_short_line(text in any::<String>(), most in 0_usize..200) {
            let cleaned = line(&text, most);
            prop_assert!(cleaned.chars().count() <= most);
            prop_assert!(!cleaned.chars().any(is_invisible));
            prop_assert_eq!(cleaned.trim(), &cleaned);
            prop_assert_eq!(line(&cleaned, most), cleaned, "once is enough");
        }
    }
}
