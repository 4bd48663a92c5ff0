//! What was typed by a model after what was said by a person, made fit to be kept, written into mail and read aloud:
//! one line, without anything that is not seen or that turns the line around.

/// Characters of a name, at most.
pub const LONGEST_NAME: usize = 120;

/// One line: control characters and every kind of white space become single spaces, and characters that nobody sees
/// (marks of direction, joiners, byte-order marks, variation selectors) go.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else if !is_unseen(c) {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// A person's name: a [`line()`] without pictures, with a letter in it and 1 to 120 characters. `None` if nothing of that
/// kind is left.
pub fn name(text: &str) -> Option<String> {
    let plain: String = line(text).chars().filter(|c| !is_picture(*c)).collect();
    // Taking a picture out may have left two spaces side by side.
    let plain = line(&plain);
    let fits = (1..=LONGEST_NAME).contains(&plain.chars().count()) && plain.chars().any(char::is_alphabetic);
    fits.then_some(plain)
}

/// The words of a text as they are compared: lower case, letters and digits, everything else between them.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}')
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>())
        .filter(|word| !word.is_empty())
}

fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{E0000}'..='\u{E0FFF}'
            // Private use: no two machines show the same.
            | '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}'
    )
}

fn is_picture(c: char) -> bool {
    matches!(
        c,
        '\u{20D0}'..='\u{20FF}' | '\u{2190}'..='\u{2BFF}' | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
            | '\u{1F000}'..='\u{1FBFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_one_line_without_what_nobody_sees() {
        for (typed, kept) in [
            ("Ana Pérez", "Ana Pérez"),
            ("  Ana \t  Pérez\n", "Ana Pérez"),
            ("Ana\r\nBcc: all@example.com", "Ana Bcc: all@example.com"),
            ("Ana\u{202E}zeréP", "AnazeréP"),
            ("\u{200F}משה כהן", "משה כהן"),
            ("Ana 🦷 Pérez ✨", "Ana Pérez"),
            ("O\u{2019}Brien-Søndergård", "O\u{2019}Brien-Søndergård"),
            ("陈小明", "陈小明"),
        ] {
            assert_eq!(name(typed).as_deref(), Some(kept), "{typed:?}");
        }
        for nobody in ["", "   ", "🦷", "1234", "\u{200B}", "\r\n", &"a".repeat(121)] {
            assert_eq!(name(nobody), None, "{nobody:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_no_line_breaks_or_turns(typed in any::<String>()) {
            let line = line(&typed);
            prop_assert!(!line.chars().any(|c| c.is_control() || ('\u{202A}'..='\u{202E}').contains(&c)), "{line:?}");
            prop_assert_eq!(line.trim(), line.as_str());
            prop_assert!(!line.contains("  "));
            if let Some(name) = name(&typed) {
                prop_assert_eq!(super::name(&name), Some(name.clone()), "cleaning twice changes nothing");
            }
        }
    }
}
